package job

import "context"

// Watch looks on at one job, to follow its way.
type Watch interface {
	// Context adds what belongs to the job to a context of its work. It may be called more than once.
	Context(ctx context.Context) context.Context
	// End is called once, with the job's result, when that has been written.
	End(Result)
}

// unwatched is a job without an observer.
type unwatched struct{}

func (unwatched) Context(ctx context.Context) context.Context { return ctx }
func (unwatched) End(Result)                                  {}
