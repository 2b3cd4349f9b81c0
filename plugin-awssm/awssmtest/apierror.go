package awssmtest

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
)

// apiError is a refusal as the services word it. Status 0 means 400, which Secrets Manager uses for nearly everything.
type apiError struct {
	code    string
	message string
	status  int
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func refuse(code, format string, args ...any) *apiError {
	return &apiError{code: code, message: fmt.Sprintf(format, args...)}
}

// isRefusal reports whether err is a refusal with the code.
func isRefusal(err error, code string) bool {
	var problem *apiError
	return errors.As(err, &problem) && problem.code == code
}

// statusOf gives the usual HTTP status of a code that a Fault names without one.
func statusOf(service, code string) int {
	switch code {
	case "InternalServiceError", "InternalFailure", "InternalError", "InternalServerError":
		return http.StatusInternalServerError
	case "ServiceUnavailable", "ServiceUnavailableException":
		return http.StatusServiceUnavailable
	case "AccessDenied", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "MissingAuthenticationToken":
		if service == serviceSTS {
			return http.StatusForbidden
		}
	}
	return http.StatusBadRequest
}

// answer is a whole response, held back until it is known what a fault does to it.
type answer struct {
	status      int
	contentType string
	errorType   string // x-amzn-ErrorType
	retryAfter  string
	body        []byte
}

func jsonAnswer(v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic("awssmtest: encode an answer: " + err.Error()) // all answers are our own plain types
	}
	return answer{status: http.StatusOK, contentType: "application/x-amz-json-1.1", body: body}
}

type xmlError struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func xmlAnswer(v any) answer {
	body, err := xml.Marshal(v)
	if err != nil {
		panic("awssmtest: encode an answer: " + err.Error())
	}
	return answer{status: http.StatusOK, contentType: "text/xml", body: body}
}

func errorAnswer(service, requestID string, e *apiError) answer {
	status := e.status
	if status == 0 {
		status = statusOf(service, e.code)
	}
	var a answer
	if service == serviceSTS {
		fault := "Sender"
		if status >= 500 {
			fault = "Receiver"
		}
		a = xmlAnswer(xmlError{Type: fault, Code: e.code, Message: e.message, RequestID: requestID})
	} else {
		a = jsonAnswer(struct {
			Type    string `json:"__type"`
			Message string
		}{e.code, e.message})
		a.errorType = e.code
	}
	a.status = status
	return a
}
