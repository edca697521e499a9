package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// labProgram is what runs for pods of an image.
type labProgram struct {
	// Last part of the image's name, without tag and digest.
	image string
	// Directory below podProgramsVariable.
	directory string
	prepare   func(r *podRun, path string, values map[string]string) (launch, error)
}

// launch is how the program of one pod starts.
type launch struct {
	args        []string
	environment []string
	// Answers with success when the program is ready.
	ready string
}

// podProgramsVariable names the directory with `flux` and `gitea`. They may appear later than this
// process, since the lab makes them beside everything else.
const podProgramsVariable = "LAB_K0S_POD_PROGRAMS"

var labPrograms = []*labProgram{
	{image: "source-controller", directory: "flux", prepare: prepareController},
	{image: "kustomize-controller", directory: "flux", prepare: prepareController},
	{image: "helm-controller", directory: "flux", prepare: prepareController},
	{image: "gitea", directory: "gitea", prepare: prepareGitea},
}

// programOf looks at the first container's image. Without the directory of programs, all pods
// belong to kwok.
func programOf(found *pod) *labProgram {
	if os.Getenv(podProgramsVariable) == "" || len(found.Spec.Containers) == 0 {
		return nil
	}
	name := imageName(found.Spec.Containers[0].Image)
	index := slices.IndexFunc(labPrograms, func(p *labProgram) bool { return p.image == name })
	if index < 0 {
		return nil
	}
	return labPrograms[index]
}

// imageName is "gitea" for "docker.gitea.com:443/gitea:1.26.1-rootless@sha256:...".
func imageName(image string) string {
	name, _, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

func (p *labProgram) find() (string, error) {
	path := filepath.Join(os.Getenv(podProgramsVariable), p.directory, p.image)
	// Its real path: the link changes when another version is made.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("the lab has no program for the image %s yet: %w", p.image, err)
	}
	return real, nil
}

// prepareController starts one of Flux's controllers with the container's own arguments, and
// replaces addresses: several controllers share the machine's network, where names of Services
// exist only by the proxy. Without notification-controller there are no events to send.
func prepareController(r *podRun, _ string, values map[string]string) (launch, error) {
	kubeconfig, err := r.writeKubeconfig()
	if err != nil {
		return launch{}, err
	}
	health, err := freeAddress("127.0.0.1")
	if err != nil {
		return launch{}, err
	}
	args := []string{}
	for _, argument := range r.pod.Spec.Containers[0].Args {
		args = append(args, expand(argument, values))
	}
	args = append(args, "--health-addr="+health, "--metrics-addr=0", "--events-addr=",
		"--enable-leader-election=false")
	ready := "http://" + health + "/readyz"
	if r.program.image == "source-controller" {
		storage, err := freeAddress(nodeAddress(r.agent.client.server))
		if err != nil {
			return launch{}, err
		}
		args = append(args, "--storage-addr="+storage, "--storage-adv-addr="+storage,
			"--storage-path="+filepath.Join(r.directory, "tmp"))
		ready = "http://" + storage + "/"
	}
	values["KUBECONFIG"] = kubeconfig
	values["RUNTIME_NAMESPACE"] = r.pod.Metadata.Namespace
	return launch{args: args, environment: r.processEnvironment(values), ready: ready}, nil
}

// freeAddress is one on which nobody listens at this moment.
func freeAddress(host string) (string, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return "", errors.New("a TCP listener without a TCP address")
	}
	return net.JoinHostPort(host, strconv.Itoa(address.Port)), nil
}
