package awssmtest_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

func Example() {
	backend, err := awssmtest.Start(awssmtest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()
	backend.PutSecret("tom/credentials/lab", `{"username":"admin","password":"example"}`)

	client := secretsmanager.New(secretsmanager.Options{
		Region:       backend.DefaultRegion(),
		BaseEndpoint: aws.String(backend.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider(awssmtest.AccessKeyID, awssmtest.SecretAccessKey, ""),
		Retryer:      aws.NopRetryer{},
	})
	read := func() {
		out, err := client.GetSecretValue(context.Background(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("tom/credentials/lab")})
		fmt.Println(err == nil && aws.ToString(out.SecretString) != "")
	}
	read()
	throttled := backend.Inject(awssmtest.Fault{Operation: "GetSecretValue", Code: "ThrottlingException"})
	read()
	throttled.Remove()
	read()
	fmt.Println(backend.Count("GetSecretValue"), "calls,", throttled.Hits(), "throttled")
	// Output:
	// true
	// false
	// true
	// 3 calls, 1 throttled
}
