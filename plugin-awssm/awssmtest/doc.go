// Package awssmtest is AWS Secrets Manager and AWS STS in memory, over real HTTP: it speaks the wire protocols of both services
// well enough for the AWS SDKs and the AWS CLI, checks every signature, and can be told to fail.
//
// It is a product of this repository: tests of any program that reads Secrets Manager may use it, in Go or, by its URL, in any language.
// What it serves is compared with moto and with the AWS CLI, operation by operation. It is for tests and demonstrations. It keeps secrets in plain memory, encrypts nothing and forgets everything on Close, so it has
// no place in a provider that is shipped.
//
// A complete use, in a test:
//
//	backend := awssmtest.StartTest(t, awssmtest.Options{})
//	backend.PutSecret("tom/credentials/lab", `{"username":"admin","password":"example"}`)
//
//	cfg, err := config.LoadDefaultConfig(ctx,
//		config.WithRegion(backend.DefaultRegion()),
//		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(
//			awssmtest.AccessKeyID, awssmtest.SecretAccessKey, "")))
//	client := secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.BaseEndpoint = aws.String(backend.URL()) })
//	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("tom/credentials/lab")})
//
//	backend.Rotate("tom/credentials/lab", `{"username":"admin","password":"changed"}`)
//	throttled := backend.Inject(awssmtest.Fault{Operation: "GetSecretValue", Code: "ThrottlingException"})
//	throttled.Remove()
//	if n := backend.Count("GetSecretValue"); n != 1 { ... }
//
// Another process is pointed at the server by [Server.Env]. Outside of tests there is [Start], and since a [Server] is an
// http.Handler, a server for trying things by hand is one line:
//
//	http.ListenAndServe("127.0.0.1:4566", awssmtest.New(awssmtest.Options{}))
//
// Operations: CreateSecret, PutSecretValue, UpdateSecret, UpdateSecretVersionStage, GetSecretValue, BatchGetSecretValue,
// DescribeSecret, ListSecrets, DeleteSecret, RestoreSecret, TagResource, UntagResource, PutResourcePolicy, GetResourcePolicy,
// DeleteResourcePolicy; GetCallerIdentity, AssumeRole,
// AssumeRoleWithWebIdentity. Rotation by Lambda and replication are not here. What policies do to a caller is said with
// [Server.AttachPolicy], [Server.PutPolicy] and [Region.SetPolicy] in IAM's own language, or with [Server.Deny] in one line.
//
// State belongs to an account, the caller's, and to a region, the one in the signature's credential scope: see [Server.In],
// [Server.InAccount] and Options.SharedRegions. An ARN reads another
// account's secret, if its resource policy and that of its KMS key let it.
package awssmtest
