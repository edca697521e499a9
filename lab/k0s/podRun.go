package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// podRun is a pod and its program.
type podRun struct {
	agent   *podAgent
	pod     *pod
	program *labProgram
	// Of this pod alone: gone with it, like an emptyDir.
	directory string
	// URL that tells whether the program is ready.
	ready string

	cancel        context.CancelFunc
	running       context.Context
	done          chan struct{}
	stopAndDelete sync.Once
}

func newPodRun(agent *podAgent, found *pod, program *labProgram) *podRun {
	running, cancel := context.WithCancel(context.Background())
	return &podRun{agent: agent, pod: found, program: program, running: running, cancel: cancel,
		directory: filepath.Join(agent.vars.RunDir, "pods", found.Metadata.UID),
		done:      make(chan struct{})}
}

func (r *podRun) stop() {
	r.cancel()
	<-r.done
}

// end stops the program of a pod that is being deleted, and lets the pod go, as a kubelet does.
func (r *podRun) end(ctx context.Context) {
	r.stop()
	for {
		err := r.agent.client.delete(ctx, r.pod.path()+"?gracePeriodSeconds=0")
		if err == nil || isNotFound(err) || !pause(ctx, time.Second) {
			return
		}
	}
}

// keep runs the program until the pod ends. What fails is reported in the pod's status and retried.
func (r *podRun) keep() {
	defer close(r.done)
	defer os.RemoveAll(r.directory)
	for {
		program, err := r.start()
		if err == nil {
			r.watchReadiness()
			program.stop()
			return
		}
		if r.running.Err() != nil {
			return
		}
		r.report(r.waiting(err))
		if !pause(r.running, 2*time.Second) {
			return
		}
	}
}

// startError has the reason of a container that waits.
type startError struct {
	reason string
	cause  error
}

func (e *startError) Error() string { return e.cause.Error() }

func (r *podRun) start() (*process, error) {
	path, err := r.program.find()
	if err != nil {
		return nil, &startError{"ErrImagePull", err}
	}
	if err := os.MkdirAll(filepath.Join(r.directory, "tmp"), 0o700); err != nil {
		return nil, err
	}
	environment, err := r.environment()
	if err != nil {
		return nil, &startError{"CreateContainerConfigError", err}
	}
	launch, err := r.program.prepare(r, path, environment)
	if err != nil {
		return nil, &startError{"RunContainerError", err}
	}
	program := &process{name: podFile + r.pod.Metadata.UID, path: path, args: launch.args,
		grace: defaultGrace, vars: r.agent.vars, directory: r.directory,
		environment: launch.environment}
	if err := program.begin(); err != nil {
		return nil, &startError{"RunContainerError", err}
	}
	r.ready = launch.ready
	return program, nil
}

// watchReadiness reports the pod's readiness whenever it changes.
func (r *podRun) watchReadiness() {
	client := &http.Client{Timeout: 2 * time.Second}
	started := time.Now()
	reported, known := false, false
	for {
		ready := isReady(client, r.ready)
		if ready != reported || !known {
			known = r.report(r.runningStatus(started, ready))
			reported = ready
		}
		interval := 200 * time.Millisecond
		if ready {
			interval = 2 * time.Second
		}
		if !pause(r.running, interval) {
			return
		}
	}
}

func isReady(client *http.Client, url string) bool {
	if url == "" {
		return true
	}
	answer, err := client.Get(url)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode < 400
}

func (r *podRun) waiting(err error) object {
	reason := "CreateContainerError"
	if known, ok := err.(*startError); ok {
		reason = known.reason
	}
	logError(r.pod.Metadata.Name, "%s: %v", reason, err)
	return r.status("Pending", false, time.Now(), object{
		"waiting": object{"reason": reason, "message": err.Error()},
	})
}

func (r *podRun) runningStatus(started time.Time, ready bool) object {
	state := object{"running": object{"startedAt": started.UTC().Format(time.RFC3339)}}
	return r.status("Running", ready, started, state)
}

func (r *podRun) status(phase string, ready bool, started time.Time, state object) object {
	now := time.Now().UTC().Format(time.RFC3339)
	condition := func(kind string, holds bool) object {
		status := "False"
		if holds {
			status = "True"
		}
		return object{"type": kind, "status": status, "lastTransitionTime": now}
	}
	containers := []object{}
	for _, item := range r.pod.Spec.Containers {
		containers = append(containers, object{"name": item.Name, "image": item.Image,
			"imageID": "", "ready": ready, "started": ready, "restartCount": 0, "state": state})
	}
	address := nodeAddress(r.agent.client.server)
	return object{"status": object{
		"phase": phase, "startTime": started.UTC().Format(time.RFC3339),
		"hostIP": address, "hostIPs": []object{{"ip": address}},
		"podIP": address, "podIPs": []object{{"ip": address}},
		"conditions": []object{
			{"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
			condition("Initialized", true), condition("ContainersReady", ready),
			condition("Ready", ready),
		},
		"containerStatuses": containers,
	}}
}

// report returns whether the API has the status now.
func (r *podRun) report(status object) bool {
	path := r.pod.path() + "/status"
	err := r.agent.client.patch(r.running, path, mergePatch, status, nil)
	if err != nil && r.running.Err() == nil {
		logError(r.pod.Metadata.Name, "failed to report the pod's status: %v", err)
	}
	return err == nil
}

// writeKubeconfig writes a kubeconfig with a token of the pod's service account.
func (r *podRun) writeKubeconfig() (string, error) {
	var answer struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	account := fmt.Sprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token",
		r.pod.Metadata.Namespace, r.pod.Spec.ServiceAccountName)
	err := r.agent.client.create(r.running, account, object{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
		"spec": object{
			"expirationSeconds": tokenSeconds,
			"boundObjectRef": object{"apiVersion": "v1", "kind": "Pod",
				"name": r.pod.Metadata.Name, "uid": r.pod.Metadata.UID},
		},
	}, &answer)
	if err != nil {
		return "", err
	}
	kubelet, err := readKubeconfig(r.agent.kubeconfigPath)
	if err != nil {
		return "", err
	}
	cluster := kubelet.Clusters[0].Cluster
	file := newKubeconfig("lab", "pod", "pod", cluster.Server, cluster.CertificateAuthorityData,
		kubeUser{Token: answer.Status.Token})
	path := filepath.Join(r.directory, "kubeconfig")
	return path, writeFile(path, file.encode(), 0o600)
}

// A lab runs longer than the hour that a kubelet asks for. The token ends with its pod.
const tokenSeconds = 30 * 24 * 3600
