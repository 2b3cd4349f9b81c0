// Package awssmtest is AWS Secrets Manager and AWS STS in memory, over real HTTP: it speaks the wire protocols of both services
// well enough for the AWS SDKs and the AWS CLI, checks every signature, and can be told to fail.
//
// It is for tests and demonstrations. It keeps secrets in plain memory, encrypts nothing and forgets everything on Close, so it has
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
// A process of its own is pointed at the server by [Server.Env]. Outside of tests there is [Start], and since a [Server] is an
// http.Handler, a server for trying things by hand is one line:
//
//	http.ListenAndServe("127.0.0.1:4566", awssmtest.New(awssmtest.Options{}))
//
// Operations: CreateSecret, PutSecretValue, UpdateSecret, UpdateSecretVersionStage, GetSecretValue, BatchGetSecretValue,
// DescribeSecret, ListSecrets, DeleteSecret, RestoreSecret, TagResource, UntagResource; GetCallerIdentity, AssumeRole,
// AssumeRoleWithWebIdentity. Rotation by Lambda, replication and resource policies are not here; what a policy would do to a caller is
// said with [Server.Deny].
//
// State belongs to a region, the one in the signature's credential scope: see [Server.In] and Options.SharedRegions.
package awssmtest
