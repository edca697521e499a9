package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process keeps a program running (pkg/supervisor/supervisor.go). The program is not in k0s's
// process group, and survives a SIGKILL of k0s. The next start of k0s stops it by its PID file.
type process struct {
	name string
	path string
	args []string
	// Time between SIGTERM and SIGKILL. k0s has no SIGKILL: it would leave the program behind.
	grace       time.Duration
	directory   string
	environment []string

	vars     *k0sVars
	stopping chan struct{}
	done     chan struct{}
	once     sync.Once
	// Closed: the program ends by itself, and a stop waits for that instead of sending SIGTERM.
	endsItself chan struct{}
}

const (
	managed       = "_K0S_MANAGED=yes"
	respawnPause  = 5 * time.Second
	defaultGrace  = 5 * time.Second
	ownEndTimeout = 30 * time.Second
)

// findProgram looks beside this program, then on PATH.
func findProgram(vars *k0sVars, name string) (string, error) {
	staged := filepath.Join(vars.BinDir, name)
	if exists(staged) {
		return staged, nil
	}
	if own, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(own), name); exists(beside) {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("not an embedded asset, stat %s: no such file or directory, %w",
			staged, err)
	}
	return path, nil
}

func supervise(vars *k0sVars, name string, args []string, grace time.Duration) (*process, error) {
	path, err := findProgram(vars, name)
	if err != nil {
		return nil, err
	}
	p := &process{name: name, path: path, args: args, grace: grace, vars: vars,
		directory: vars.DataDir, environment: os.Environ()}
	return p, p.begin()
}

func (p *process) begin() error {
	p.stopping, p.done = make(chan struct{}), make(chan struct{})
	p.endsItself = make(chan struct{})
	if err := p.stopLeftover(); err != nil {
		return err
	}
	started := make(chan error, 1)
	go p.keepRunning(started)
	return <-started
}

func (p *process) pidFile() string { return filepath.Join(p.vars.RunDir, p.name+".pid") }

// stopLeftover stops the program of an earlier k0s that was killed: the one at `path`, if given.
func (p *process) stopLeftover() error {
	content, err := os.ReadFile(p.pidFile())
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return fmt.Errorf("failed to parse PID file %s: %w", p.pidFile(), err)
	}
	environment, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if !bytes.Contains(environment, []byte(managed)) ||
		(p.path != "" && !bytes.HasPrefix(command, []byte(p.path+"\x00"))) {
		return nil
	}
	logInfo(p.name, "stopping process %d of an earlier k0s", pid)
	_ = syscall.Kill(pid, syscall.SIGTERM)
	for deadline := time.Now().Add(p.grace); time.Now().Before(deadline); {
		if hasEnded(pid) {
			return nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return fmt.Errorf("while waiting for termination of PID %d from PID file %s: "+
		"process did not terminate in time", pid, p.pidFile())
}

// hasEnded is also true where the parent has not taken notice yet.
func hasEnded(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return len(fields) > 0 && fields[0] == "Z"
}

func (p *process) keepRunning(started chan<- error) {
	defer close(p.done)
	for first := true; ; first = false {
		command := exec.Command(p.path, p.args...)
		command.Dir = p.directory
		command.Env = append([]string{managed}, p.environment...)
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		stdout, _ := command.StdoutPipe()
		stderr, _ := command.StderrPipe()
		err := command.Start()
		if err == nil {
			go logLines(p.name, "stdout", stdout)
			go logLines(p.name, "stderr", stderr)
			pid := command.Process.Pid
			_ = os.WriteFile(p.pidFile(), []byte(strconv.Itoa(pid)+"\n"), 0o644)
			logInfo(p.name, "started, process %d", pid)
		}
		if first {
			started <- err
		}
		if err != nil {
			if first {
				return
			}
			logError(p.name, "failed to start: %v", err)
		} else if p.awaitEnd(command) {
			return
		}
		logInfo(p.name, "respawning in %s", respawnPause)
		select {
		case <-p.stopping:
			return
		case <-time.After(respawnPause):
		}
	}
}

// awaitEnd returns true where a stop was asked for.
func (p *process) awaitEnd(command *exec.Cmd) bool {
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		_ = os.Remove(p.pidFile())
		close(ended)
	}()
	select {
	case <-ended:
		logError(p.name, "process terminated unexpectedly: %s", command.ProcessState)
		return false
	case <-p.stopping:
	}
	select {
	case <-p.endsItself:
		select {
		case <-ended:
			return true
		case <-time.After(ownEndTimeout):
		}
	default:
	}
	_ = command.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(p.grace):
		logError(p.name, "timed out after %s while waiting for process to terminate", p.grace)
		_ = command.Process.Kill()
		<-ended
	}
	logInfo(p.name, "stopped: %s", command.ProcessState)
	return true
}

func (p *process) stop() {
	if p == nil {
		return
	}
	p.once.Do(func() { close(p.stopping) })
	<-p.done
}

// flagList turns flags into arguments. Those of the user's configuration win.
func flagList(flags, extra map[string]string) []string {
	all := map[string]string{}
	for _, source := range []map[string]string{flags, extra} {
		for name, value := range source {
			all[name] = value
		}
	}
	var args []string
	for name, value := range all {
		args = append(args, "--"+name+"="+value)
	}
	return args
}
