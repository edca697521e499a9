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
	// The last two parts of an image's name.
	image string
	// Below podProgramsVariable. Empty: a command of this program.
	path    string
	prepare func(r *podRun, path string, values map[string]string) (launch, error)
}

// launch is how the program of one pod starts.
type launch struct {
	args        []string
	environment []string
	// Answers with success when the program is ready. Empty: it is ready at once.
	ready string
}

// prepareCommand is for a command of this program.
func prepareCommand(
	command string,
) func(*podRun, string, map[string]string) (launch, error) {
	return func(r *podRun, _ string, values map[string]string) (launch, error) {
		kubeconfig, err := r.writeKubeconfig()
		if err != nil {
			return launch{}, err
		}
		values["KUBECONFIG"] = kubeconfig
		return launch{args: []string{command}, environment: r.processEnvironment(values)}, nil
	}
}

// podProgramsVariable names the directory with `flux` and `gitea`. They may appear later than this
// process, since the lab makes them beside everything else.
const podProgramsVariable = "LAB_K0S_POD_PROGRAMS"

var labPrograms = []*labProgram{
	{"fluxcd/source-controller", "flux/source-controller", prepareController},
	{"fluxcd/kustomize-controller", "flux/kustomize-controller", prepareController},
	{"fluxcd/helm-controller", "flux/helm-controller", prepareController},
	{"docker.gitea.com/gitea", "gitea/gitea", prepareGitea},
	{"gitea/gitea", "gitea/gitea", prepareGitea},
	{"openebs/provisioner-localpv", "", prepareCommand(provisionerCommand)},
	{"rook/ceph", "", prepareCommand(rookCommand)},
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

// imageName is "rook/ceph" for "docker.io/rook/ceph:v1.19.5@sha256:...", as in stages.yaml.
func imageName(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if tag := strings.LastIndex(name, ":"); tag > strings.LastIndex(name, "/") {
		name = name[:tag]
	}
	parts := strings.Split(name, "/")
	return strings.Join(parts[max(0, len(parts)-2):], "/")
}

func (p *labProgram) find() (string, error) {
	if p.path == "" {
		return os.Executable()
	}
	path := filepath.Join(os.Getenv(podProgramsVariable), p.path)
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
func prepareController(r *podRun, path string, values map[string]string) (launch, error) {
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
	if filepath.Base(path) == "source-controller" {
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
