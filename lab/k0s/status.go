package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"go.yaml.in/yaml/v3"
)

// k0sStatus is the answer of the status socket (pkg/component/status/client.go).
type k0sStatus struct {
	Version                     string
	Pid                         int
	PPid                        int
	Role                        string
	SysInit                     string
	StubFile                    string
	Output                      string
	Workloads                   bool
	SingleNode                  bool
	Args                        []string
	WorkerToAPIConnectionStatus probeStatus
	ClusterConfig               json.RawMessage
	K0sVars                     *k0sVars
}

type probeStatus struct {
	Message string
	Success bool
}

// statusServer answers on the status socket. On a worker it asks the API with the kubelet's
// credentials. Where they can't be read, it blocks for up to five minutes.
type statusServer struct {
	status k0sStatus
	// Path of the kubelet's kubeconfig. Empty without a worker.
	kubelet string
	server  *http.Server
}

const credentialsTimeout = 5 * time.Minute

func startStatus(vars *k0sVars, status k0sStatus, kubelet string) (*statusServer, error) {
	_ = os.Remove(vars.StatusSocketPath)
	listener, err := net.Listen("unix", vars.StatusSocketPath)
	if err != nil {
		return nil, err
	}
	status.Version, status.Pid, status.Args = version(), os.Getpid(), os.Args
	status.K0sVars = vars
	s := &statusServer{status: status, kubelet: kubelet}
	handler := http.NewServeMux()
	handler.HandleFunc("/status", s.answer)
	s.server = &http.Server{Handler: handler}
	go func() { _ = s.server.Serve(listener) }()
	logInfo("status", "listening on %s", vars.StatusSocketPath)
	return s, nil
}

func (s *statusServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.server.Shutdown(ctx)
	_ = os.Remove(s.status.K0sVars.StatusSocketPath)
}

func (s *statusServer) answer(writer http.ResponseWriter, request *http.Request) {
	status := s.status
	if status.Workloads {
		status.WorkerToAPIConnectionStatus = s.probe(request.Context())
	}
	writer.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(writer).Encode(status)
}

func (s *statusServer) probe(ctx context.Context) probeStatus {
	ctx, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	for {
		client, err := kubeClientFromFile(s.kubelet)
		if err == nil {
			if err := client.get(ctx, "/version", &object{}); err != nil {
				return probeStatus{Message: err.Error()}
			}
			return probeStatus{Success: true}
		}
		if !pause(ctx, time.Second) {
			return probeStatus{Message: "failed to create kube-api client required for kube-api " +
				"status reports, probably kubelet failed to init: " + err.Error()}
		}
	}
}

// askStatus has no time limit of its own, like k0s.
func askStatus(socket string) (*k0sStatus, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	response, err := client.Get("http://localhost/status")
	if err != nil {
		return nil, fmt.Errorf("status: can't get %q via %q: %w", "status", socket, err)
	}
	defer response.Body.Close()
	status := &k0sStatus{}
	if err := json.NewDecoder(response.Body).Decode(status); err != nil {
		return nil, fmt.Errorf("status: can't get %q via %q: can't decode JSON: %w",
			"status", socket, err)
	}
	return status, nil
}

func runStatus(_ context.Context, args []string) error {
	var common commonFlags
	var output string
	if _, err := parseFlags("status", args, 0, func(flags *flag.FlagSet) {
		common.add(flags)
		flags.StringVar(&output, "out", "", "")
		flags.StringVar(&output, "o", "", "")
	}); err != nil {
		return err
	}
	vars, err := commandVars(common)
	if err != nil {
		return err
	}
	status, err := askStatus(vars.StatusSocketPath)
	if err != nil {
		return err
	}
	switch output {
	case "json":
		text, err := json.MarshalIndent(status, "", "   ")
		if err != nil {
			return err
		}
		fmt.Println(string(text))
	case "yaml":
		return printYAML(status)
	default:
		fmt.Println("Version:", status.Version)
		fmt.Println("Process ID:", status.Pid)
		fmt.Println("Role:", status.Role)
		fmt.Println("Workloads:", status.Workloads)
		fmt.Println("SingleNode:", status.SingleNode)
		if status.Workloads {
			probe := status.WorkerToAPIConnectionStatus
			fmt.Println("Kube-api probing successful:", probe.Success)
			fmt.Println("Kube-api probing last error: ", probe.Message)
		}
	}
	return nil
}

func printYAML(value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(content, &tree); err != nil {
		return err
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	return nil
}
