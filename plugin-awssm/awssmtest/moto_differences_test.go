//go:build unix

package awssmtest

// difference is one that is meant: the lines in which the two sides differ, what moto does, what AWS documents instead, which is what we
// follow.
type difference struct {
	ours, moto string
	why        string
}

// knownDifferences are by the name of the case. One that is no more fails the test, so that the table can't rot.
var knownDifferences = map[string]difference{
	"create over a scheduled deletion": {
		ours: "create s: InvalidRequestException",
		moto: "create s: ResourceExistsException",
		why:  "moto reports the name as taken; AWS has its own message for a secret that waits for deletion (recorded from AWS).",
	},
	"create with a space in the name": {
		ours: "create a b: ValidationException",
		moto: "create a b: ok version=a a b with ARN",
		why:  "moto takes any name; the API reference allows ASCII letters, digits and /_+=.@- alone.",
	},
	"create with a name too long": {
		ours: "create (513 characters): ValidationException",
		moto: "create (513 characters): ok version=a (513 characters) with ARN",
		why:  "moto does not look at the length; the API model ends at 512 characters.",
	},
	"create with an empty value": {
		ours: "create s: ValidationException",
		moto: "create s: ok version=none s with ARN",
		why:  "moto makes a secret without a version; the API model wants 1 byte at least.",
	},
	"create with a value too long": {
		ours: "create s: ValidationException",
		moto: "create s: ok version=a s with ARN",
		why:  "moto does not look at the size; the API model ends at 65,536 bytes.",
	},
	"create with both kinds of value": {
		ours: "create s: InvalidParameterException",
		moto: "create s: ok version=generated(36) s with ARN",
		why:  "moto stores both; the API reference wants one or the other.",
	},
	"put leaves custom labels on the previous version": {
		ours: "describe s: ok description=(none) key=(none) tags=[] versions=[b[AWSPREVIOUS blue] c[AWSCURRENT]] deleted=false dated=true,true s with ARN",
		moto: "describe s: ok description=(none) key=(none) tags=[] versions=[a[] b[AWSPREVIOUS] c[AWSCURRENT]] deleted=false dated=true,true s with ARN",
		why:  "moto throws the other labels of the previous version away; only AWSCURRENT and AWSPREVIOUS move by themselves (recorded from AWS).",
	},
	"put drops deprecated versions from the description": {
		ours: "describe s: ok description=(none) key=(none) tags=[] versions=[b[AWSPREVIOUS] c[AWSCURRENT]] deleted=false dated=true,true s with ARN",
		moto: "describe s: ok description=(none) key=(none) tags=[] versions=[a[] b[AWSPREVIOUS] c[AWSCURRENT]] deleted=false dated=true,true s with ARN",
		why:  "moto lists versions without labels; the API reference of DescribeSecret lists those that have labels attached.",
	},
	"put pending twice with one token and another value": {
		ours: "put s: ResourceExistsException",
		moto: "put s: ok version=b stages=[AWSPENDING] s with ARN",
		why:  "moto overwrites a pending version; the API reference says that an existing version can't be modified.",
	},
	"put to a secret scheduled for deletion": {
		ours: "put s: InvalidRequestException",
		moto: "put s: ok version=b stages=[AWSCURRENT] s with ARN",
		why:  "moto stores the value; the API reference has InvalidRequestException for secrets scheduled for deletion.",
	},
	"get a version id too short": {
		ours: "get s version generated(1): ValidationException",
		moto: "get s version generated(1): ResourceNotFoundException",
		why:  "moto does not look at the length; the API model starts at 32 characters.",
	},
	"get with a space in the name": {
		ours: "get a b: ValidationException",
		moto: "get a b: ResourceNotFoundException",
		why:  "moto looks the name up; AWS refuses a name that can't exist before it looks.",
	},
	"get with an empty id": {
		ours: "get : ValidationException",
		moto: "get : ResourceNotFoundException",
		why:  "moto looks the name up; the API model wants 1 character at least.",
	},
	"update with a used token": {
		ours: "update s: ResourceExistsException",
		moto: "update s: ok version=a s with ARN",
		why:  "moto ignores the repetition; the API reference of UpdateSecret says that a token in use is an error.",
	},
	"move a custom label": {
		ours: "describe s: ok description=(none) key=(none) tags=[] versions=[a[AWSCURRENT blue]] deleted=false dated=true,true s with ARN",
		moto: "describe s: ok description=(none) key=(none) tags=[] versions=[a[AWSCURRENT blue] b[]] deleted=false dated=true,true s with ARN",
		why:  "moto lists versions without labels; the API reference of DescribeSecret lists those that have labels attached.",
	},
	"move a custom label without saying from where": {
		ours: "move blue from none to a: InvalidParameterException",
		moto: "move blue from none to a: ok s with ARN",
		why:  "moto puts the label on two versions; the API reference fails the call unless RemoveFromVersionId names the version that has it.",
	},
	"move current away altogether": {
		ours: "move AWSCURRENT from a to none: InvalidParameterException",
		moto: "move AWSCURRENT from a to none: ok s with ARN",
		why:  "moto leaves the secret without a current version; AWS lets AWSCURRENT be moved, never removed.",
	},
	"list by the middle of a description": {
		ours: "list description routers, page 1: ok  more=false",
		moto: "list description routers, page 1: ok tom/a[a[AWSCURRENT]] deleted=false more=false",
		why:  "moto compares words; the API reference says prefix match for descriptions.",
	},
	"list by the negated description": {
		ours: "list description !Core, page 1: ok tom/b[a[AWSCURRENT]] deleted=false, tom/c[a[AWSCURRENT]] deleted=false, Tom/d[a[AWSCURRENT]] deleted=false, zebra[a[AWSCURRENT]] deleted=false more=false",
		moto: "list description !Core, page 1: ok tom/b[a[AWSCURRENT]] deleted=false more=false",
		why:  "moto leaves out secrets without a description; what has none does not match the value, so its negation holds.",
	},
	"list no results a page": {
		ours: "list by 0, page 1: ValidationException",
		moto: "list by 0, page 1: ok tom/a[a[AWSCURRENT]] deleted=false, tom/b[a[AWSCURRENT]] deleted=false, tom/c[a[AWSCURRENT]] deleted=false, Tom/d[a[AWSCURRENT]] deleted=false, zebra[a[AWSCURRENT]] deleted=false more=false",
		why:  "moto takes 0 for the default; the API model starts at 1.",
	},
	"list 101 results a page": {
		ours: "list by 101, page 1: ValidationException",
		moto: "list by 101, page 1: ok  more=false",
		why:  "moto gives larger pages; the API model ends at 100.",
	},
	"list with a token that is none": {
		ours: "list from nowhere, page 1: InvalidNextTokenException",
		moto: "list from nowhere, page 1: no answer of the service",
		why:  "moto fails with a page of HTML; the API reference has InvalidNextTokenException.",
	},
	"list by descending date": {
		ours: "list down, page 1: ok zebra[a[AWSCURRENT]] deleted=false, Tom/d[a[AWSCURRENT]] deleted=false, tom/c[a[AWSCURRENT]] deleted=false, tom/b[a[AWSCURRENT]] deleted=false, tom/a[a[AWSCURRENT]] deleted=false more=false",
		moto: "list down, page 1: ok tom/a[a[AWSCURRENT]] deleted=false, tom/b[a[AWSCURRENT]] deleted=false, tom/c[a[AWSCURRENT]] deleted=false, Tom/d[a[AWSCURRENT]] deleted=false, zebra[a[AWSCURRENT]] deleted=false more=false",
		why:  "moto does not know SortOrder.",
	},
	"batch of a secret without a value": {
		ours: "batch [s], page 1: ok values=[] errors=[s=ResourceNotFoundException] more=false",
		moto: "batch [s], page 1: ResourceNotFoundException",
		why:  "moto fails the whole call; the API reference reports what goes wrong with one secret in Errors.",
	},
	"batch of 21": {
		ours: "batch of 21, page 1: ValidationException",
		moto: "batch of 21, page 1: ok values=[21 values] errors=[] more=false",
		why:  "moto takes any number; the API model ends at 20 ids.",
	},
	"batch by neither": {
		ours: "batch neither, page 1: InvalidParameterException",
		moto: "batch neither, page 1: ok values=[] errors=[] more=false",
		why:  "moto answers with nothing; the API reference says that one of Filters and SecretIdList must be there.",
	},
	"assume a role for a second": {
		ours: "assume: ValidationError",
		moto: "assume: ok ASIA... arn:aws:sts::123456789012:assumed-role/worker/shift",
		why:  "moto takes any duration; the API model starts at 900 seconds.",
	},
}
