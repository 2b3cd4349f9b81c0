package transport

import (
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Retryer returns the SDK's retryer of a mode ("standard" or "adaptive"), which besides the SDK's own list tries again after
// an answer that was cut short, and after a 408, 425 or 429 without a body. attempts is how many a request makes at most; 0: the SDK's
// default, 3.
func Retryer(mode aws.RetryMode, attempts int) func() aws.Retryer {
	standard := func(o *retry.StandardOptions) {
		o.Retryables = append(o.Retryables[:len(o.Retryables):len(o.Retryables)], retry.IsErrorRetryableFunc(isPassing))
		if attempts > 0 {
			o.MaxAttempts = attempts
		}
	}
	return func() aws.Retryer {
		if mode == aws.RetryModeAdaptive {
			return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) { o.StandardOptions = append(o.StandardOptions, standard) })
		}
		return retry.NewStandard(standard)
	}
}

func isPassing(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return aws.TrueTernary
	}
	switch statusOf(err) {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}
