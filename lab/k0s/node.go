package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const nodesPath = "/api/v1/nodes"

// start starts the worker's parts. It returns how to stop them, and the kubelet's kubeconfig.
func (w *worker) start(ctx context.Context) (func(), string, error) {
	if err := w.bootstrapKubelet(ctx); err != nil {
		return nil, "", err
	}
	profile, err := w.loadProfile(ctx)
	if err != nil {
		return nil, "", err
	}
	background, cancel := context.WithCancel(context.Background())
	path, server := w.vars.KubeletAuthConfigPath, ""
	switch {
	case w.direct != "":
		path, server = filepath.Join(w.vars.RunDir, directKubeletConfig), w.direct
	case profile.LoadBalancing:
		path = filepath.Join(w.vars.RunDir, "nllb", "kubeconfig.yaml")
		server = "https://" + loadBalancerAddress
		if err := w.startLoadBalancer(background, profile, path); err != nil {
			cancel()
			return nil, "", err
		}
	}
	if server != "" {
		if err := w.redirect(path, server); err != nil {
			cancel()
			return nil, "", err
		}
	}
	if err := w.register(ctx, path); err != nil {
		cancel()
		return nil, "", err
	}
	kubelet, err := w.startKwok(ctx, path)
	if err != nil {
		cancel()
		return nil, "", err
	}
	w.startKubeletServer(background, path)
	stopPods, err := w.startPodAgent(background, path)
	if err != nil {
		kubelet.stop()
		cancel()
		return nil, "", err
	}
	go w.logReady(background, path)
	return func() {
		kubelet.stop()
		cancel()
		stopPods()
	}, path, nil
}

// redirect writes the kubelet's kubeconfig with another server.
func (w *worker) redirect(path, server string) error {
	file, err := readKubeconfig(w.vars.KubeletAuthConfigPath)
	if err != nil {
		return err
	}
	file.Clusters[0].Cluster.Server = server
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return writeFile(path, file.encode(), 0o640)
}

// loadProfile asks all API servers that were ever known: the worker survives the loss of the one by
// which it joined (pkg/component/worker/config/loader.go).
func (w *worker) loadProfile(ctx context.Context) (workerProfile, error) {
	var data map[string]string
	err := retry(ctx, 10, 500*time.Millisecond, time.Hour, func() error {
		var failures []error
		for _, client := range w.clients() {
			var item struct {
				Data map[string]string `json:"data"`
			}
			err := client.get(ctx, configMapsPath+"/"+profileName(w.profile), &item)
			if err == nil {
				data = item.Data
				return nil
			}
			logInfo("worker", "failed to load configuration for worker profile: %v", err)
			failures = append(failures, err)
		}
		return errors.Join(failures...)
	})
	if isStatus(err, http.StatusUnauthorized) {
		err = fmt.Errorf("the k0s worker node credentials are invalid, the node needs to be "+
			"rejoined into the cluster with a fresh bootstrap token: %w", err)
	}
	if err != nil {
		return workerProfile{}, err
	}
	return w.keepProfile(data)
}

func (w *worker) keepProfile(data map[string]string) (workerProfile, error) {
	profile, err := parseProfile(data)
	if err != nil {
		return profile, err
	}
	text, err := json.Marshal(data)
	if err != nil {
		return profile, err
	}
	return profile, writeFile(profileFile(w.vars), text, 0o644)
}

func (w *worker) clients() []*kubeClient {
	var clients []*kubeClient
	client, err := kubeClientFromFile(w.vars.KubeletAuthConfigPath)
	if err != nil {
		return nil
	}
	clients = append(clients, client)
	content, err := os.ReadFile(profileFile(w.vars))
	if err != nil {
		return clients
	}
	var data map[string]string
	if json.Unmarshal(content, &data) != nil {
		return clients
	}
	profile, err := parseProfile(data)
	if err != nil || !profile.LoadBalancing {
		return clients
	}
	for _, address := range profile.Addresses {
		other := *client
		other.server = "https://" + address
		clients = append(clients, &other)
	}
	return clients
}

// register creates the Node as a kubelet does, once per start. One that exists is kept, with its
// labels and taints.
func (w *worker) register(ctx context.Context, kubeconfigPath string) error {
	client, err := kubeClientFromFile(kubeconfigPath)
	if err != nil {
		return err
	}
	status, err := nodeStatus(client.server)
	if err != nil {
		return err
	}
	labels := object{
		"beta.kubernetes.io/arch": runtime.GOARCH, "beta.kubernetes.io/os": "linux",
		"kubernetes.io/arch": runtime.GOARCH, "kubernetes.io/os": "linux",
		"kubernetes.io/hostname": hostName(),
	}
	for _, label := range w.labels {
		name, value, _ := strings.Cut(label, "=")
		labels[name] = value
	}
	taints := []object{}
	for _, text := range w.taints {
		name, effect, _ := strings.Cut(text, ":")
		key, value, _ := strings.Cut(name, "=")
		taint := object{"key": key, "effect": effect}
		if value != "" {
			taint["value"] = value
		}
		taints = append(taints, taint)
	}
	node := object{"apiVersion": "v1", "kind": "Node", "spec": object{"taints": taints},
		"metadata": object{"name": hostName(), "labels": labels}, "status": status}
	for {
		err := client.create(ctx, nodesPath, node, nil)
		if isStatus(err, http.StatusConflict) {
			path := nodesPath + "/" + hostName() + "/status"
			err = client.patch(ctx, path, mergePatch, object{"status": status}, nil)
		}
		if err == nil {
			return nil
		}
		logError("kubelet", "unable to register node with API server: %v", err)
		if !pause(ctx, time.Second) {
			return err
		}
	}
}

// logReady logs when the node is Ready for the first time, for `npm run bench`.
func (w *worker) logReady(ctx context.Context, kubeconfigPath string) {
	client, err := kubeClientFromFile(kubeconfigPath)
	for err == nil && pause(ctx, 100*time.Millisecond) {
		var node struct {
			Status struct {
				Conditions []struct{ Type, Status string } `json:"conditions"`
			} `json:"status"`
		}
		if client.get(ctx, nodesPath+"/"+hostName(), &node) != nil {
			continue
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" {
				logInfo("kubelet", "the node is Ready")
				return
			}
		}
	}
}

// nodeAddress is the address from which this machine reaches the API. Nothing is sent.
func nodeAddress(server string) string {
	if target, err := url.Parse(server); err == nil {
		if route, err := net.Dial("udp", target.Host); err == nil {
			defer route.Close()
			if local, ok := route.LocalAddr().(*net.UDPAddr); ok && !local.IP.IsLoopback() {
				return local.IP.String()
			}
		}
	}
	return firstPublicAddress()
}

func nodeStatus(server string) (object, error) {
	machine, err := os.ReadFile("/etc/machine-id")
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, err
	}
	id := strings.TrimSpace(string(machine))
	size := object{"cpu": "2", "memory": "4Gi", "ephemeral-storage": "10Gi", "pods": "110"}
	return object{
		"addresses": []object{
			{"type": "InternalIP", "address": nodeAddress(server)},
			{"type": "Hostname", "address": hostName()},
		},
		"capacity": size, "allocatable": size,
		"daemonEndpoints": object{"kubeletEndpoint": object{"Port": 10250}},
		"nodeInfo": object{
			"machineID": id, "systemUUID": id, "bootID": strings.TrimSpace(string(boot)),
			"kernelVersion": "lab", "osImage": "lab", "containerRuntimeVersion": "kwok://lab",
			"kubeletVersion":  strings.Split(version(), "+")[0] + "+k0s",
			"operatingSystem": "linux", "architecture": runtime.GOARCH, "kubeProxyVersion": "",
		},
	}, nil
}
