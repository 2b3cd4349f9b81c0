package child

import (
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a job object: Windows ends every process in it when the last handle to the job is closed, so also when the parent
// dies.
type group struct {
	job windows.Handle
}

func (*group) prepare(cmd *exec.Cmd) {
	// A console's Ctrl-C is for the host, which then ends its providers in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// adopt puts the process into a job. If that fails, the lifeline still ends it with the host.
func (g *group) adopt(process *os.Process) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err == nil {
		var handle windows.Handle
		handle, err = windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(process.Pid))
		if err == nil {
			err = windows.AssignProcessToJobObject(job, handle)
			_ = windows.CloseHandle(handle)
		}
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return
	}
	g.job = job
}

func (*group) await(*os.Process) bool { return false }

func (g *group) kill(process *os.Process) error {
	if g.job != 0 {
		_ = windows.TerminateJobObject(g.job, 1)
	}
	return process.Kill()
}

func (g *group) release(*os.Process) {
	if g.job != 0 {
		_ = windows.TerminateJobObject(g.job, 1)
		_ = windows.CloseHandle(g.job)
	}
}

func keepDescriptors() {} // only handles that are named are inherited

func whyStuck(_ int, killed error) string {
	if killed != nil {
		return killed.Error()
	}
	return ""
}
