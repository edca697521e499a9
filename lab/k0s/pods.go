package main

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Some pods run as real programs: those whose image has a program of the lab (programs.go). kwok
// leaves them alone. The programs share the machine's network, like pods with hostNetwork.

type pod struct {
	Metadata struct {
		Name              string `json:"name"`
		Namespace         string `json:"namespace"`
		UID               string `json:"uid"`
		DeletionTimestamp string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		ServiceAccountName string      `json:"serviceAccountName"`
		InitContainers     []container `json:"initContainers"`
		Containers         []container `json:"containers"`
		Volumes            []struct {
			PersistentVolumeClaim struct {
				ClaimName string `json:"claimName"`
			} `json:"persistentVolumeClaim"`
		} `json:"volumes"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

type container struct {
	Name  string     `json:"name"`
	Image string     `json:"image"`
	Args  []string   `json:"args"`
	Env   []variable `json:"env"`
}

func (p *pod) path() string {
	return "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
}

// podAgent runs the pods of this node that have a program.
type podAgent struct {
	vars *k0sVars
	// The kubelet's kubeconfig, and a client with it.
	kubeconfigPath string
	client         *kubeClient
	// URL of the proxy by which programs reach Services.
	proxy string

	mutex sync.Mutex
	runs  map[string]*podRun
}

// startPodAgent works until the context ends. The returned function waits until all programs have
// stopped.
func (w *worker) startPodAgent(ctx context.Context, kubeconfigPath string) (func(), error) {
	client, err := kubeClientFromFile(kubeconfigPath)
	if err != nil {
		return nil, err
	}
	proxy, err := startServiceProxy(ctx, client)
	if err != nil {
		return nil, err
	}
	agent := &podAgent{vars: w.vars, kubeconfigPath: kubeconfigPath, client: client, proxy: proxy,
		runs: map[string]*podRun{}}
	agent.stopLeftovers()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_ = agent.follow(ctx)
			if !pause(ctx, time.Second) {
				break
			}
		}
		agent.keepOnly(nil)
	}()
	return func() { <-done }, nil
}

const podFile = "pod-"

// stopLeftovers stops the programs of an earlier k0s that was killed.
func (a *podAgent) stopLeftovers() {
	files, _ := filepath.Glob(filepath.Join(a.vars.RunDir, podFile+"*.pid"))
	for _, file := range files {
		name := filepath.Base(file[:len(file)-len(".pid")])
		leftover := &process{name: name, grace: defaultGrace, vars: a.vars}
		if err := leftover.stopLeftover(); err != nil {
			logError("pods", "%v", err)
		}
		_ = os.Remove(file)
	}
}

// follow starts and stops programs as pods come and go, until the connection is lost.
func (a *podAgent) follow(ctx context.Context) error {
	query := url.Values{"fieldSelector": {"spec.nodeName=" + hostName()}}
	listed := map[string]bool{}
	return a.client.watchEvents(ctx, "/api/v1/pods", query,
		func(event string, content json.RawMessage) bool {
			if event == eventSynced {
				a.keepOnly(listed)
				return false
			}
			var found pod
			if json.Unmarshal(content, &found) != nil {
				return false
			}
			if event == eventListed {
				listed[found.Metadata.UID] = true
			}
			a.see(ctx, event, &found)
			return false
		})
}

func (a *podAgent) see(ctx context.Context, event string, found *pod) {
	program := programOf(found)
	if program == nil {
		return
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	run := a.runs[found.Metadata.UID]
	switch {
	case event == "DELETED":
		if run != nil {
			delete(a.runs, found.Metadata.UID)
			go run.stop()
		}
	case found.Metadata.DeletionTimestamp != "":
		if run == nil {
			run = newPodRun(a, found, program)
			a.runs[found.Metadata.UID] = run
			close(run.done)
		}
		run.stopAndDelete.Do(func() { go run.end(ctx) })
	case run == nil && (found.Status.Phase == "Pending" || found.Status.Phase == "Running"):
		run = newPodRun(a, found, program)
		a.runs[found.Metadata.UID] = run
		go run.keep()
	}
}

// keepOnly stops the programs of all other pods.
func (a *podAgent) keepOnly(listed map[string]bool) {
	a.mutex.Lock()
	var gone []*podRun
	for id, run := range a.runs {
		if !listed[id] {
			gone = append(gone, run)
			delete(a.runs, id)
		}
	}
	a.mutex.Unlock()
	var stopping sync.WaitGroup
	for _, run := range gone {
		stopping.Go(run.stop)
	}
	stopping.Wait()
}
