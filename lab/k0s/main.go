// Command k0s stands in for k0s (https://k0sproject.io) in the lab. It has k0s's command line,
// files and protocols for controllers and workers, in front of the real etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler. It follows k0s v1.36.3+k0s.2: its source, which the
// comments name by path, and what was observed of it. `npm run contract -- k0s` compares the two.
//
// It reports the version of LAB_K0S_VERSION (default v1.36.3+k0s.2). There is only one build of
// Kubernetes in the lab, so the API server reports v1.36.3 in any case.
//
// It finds the programs etcd, kube-* and kwok beside itself, else on PATH, as a k0s does that was
// built without embedded programs (pkg/assets/stage.go).
//
// Simulated: a worker. Its Node and the pods bound to it belong to kwok, which has the identity of
// the kubelet. The node-local load balancer is a TCP proxy in this process instead of a static pod.
//
// Pods are simulated too, unless their image has a program in the directory of LAB_K0S_POD_PROGRAMS
// (podPrograms.go): then the program runs beside k0s, with the pod's service account. Its readiness
// is that of the pod. A port of the kubelet serves only port-forward.
//
// Left out: containers, CNI, konnectivity, CoreDNS, kube-proxy, metrics-server, Helm, autopilot,
// the manifest deployer, dynamic configuration, single nodes, kine and external etcd, control plane
// load balancing, k0s's own endpoints of the service `kubernetes` (with an externalAddress), system
// users (everything runs as root), images in the configuration, the role label that k0s adds to
// nodes of controllers after a minute, backup, restore, reset, install. `--disable-components` is
// parsed and checked, and has no other effect. A start waits a second for the lock that a command
// such as `k0s status` holds for a moment; k0s fails there.
//
// Variables that shorten k0s's waits, in seconds. Default: as in k0s.
//
//	LAB_K0S_LEASE_SECONDS        a controller's lease ends this long after its last renewal (60)
//	LAB_K0S_DEAD_MEMBER_SECONDS  a dead member is removed this long after its last renewal (300)
//	LAB_K0S_RESYNC_SECONDS       pause of the leader between two looks at the etcd members (10)
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

type command struct {
	name string
	help string
	run  func(ctx context.Context, args []string) error
}

// Names of two words are tried first.
var commands = []command{
	{"controller", "Run controller", runController},
	{"worker", "Run worker", runWorker},
	{"status", "Get k0s instance status information", runStatus},
	{"token create", "Create join token", runTokenCreate},
	{"token list", "List join tokens", runTokenList},
	{"token invalidate", "Invalidates existing join token", runTokenInvalidate},
	{"etcd member-list", "List etcd cluster members (JSON encoded)", runMemberList},
	{"etcd leave", "Leave the etcd cluster, or remove a specific peer", runEtcdLeave},
	{"kubeconfig admin", "Display Admin's Kubeconfig file", runKubeconfigAdmin},
	{"kubeconfig create", "Create a kubeconfig for a user", runKubeconfigCreate},
	{"kubectl", "kubectl controls the Kubernetes cluster manager", runKubectl},
	{"version", "Print the k0s version", runVersion},
	{provisionerCommand, "Not of k0s: provisions local volumes, in a pod", runProvisioner},
	{rookCommand, "Not of k0s: makes the OSDs of a CephCluster, in a pod", runRook},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// As in k0s (pkg/k0scontext/signal.go): the second signal kills. The first one does not end a
	// command that does not look at it, for example a `status` that blocks.
	context.AfterFunc(ctx, stop)
	err := dispatch(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	for words := min(2, len(args)); words > 0; words-- {
		name := args[0]
		if words == 2 {
			name += " " + args[1]
		}
		for _, command := range commands {
			if command.name == name {
				return command.run(ctx, args[words:])
			}
		}
	}
	if len(args) > 0 && args[0] != "help" && args[0] != "--help" {
		return fmt.Errorf("unknown command %q for \"k0s\"", args[0])
	}
	fmt.Println("k0s of the lab: a stand-in, see lab/k0s/main.go")
	for _, command := range commands {
		fmt.Printf("  %-20s %s\n", command.name, command.help)
	}
	return nil
}

func runVersion(_ context.Context, args []string) error {
	if _, err := parseFlags("version", args, 0, nil); err != nil {
		return err
	}
	fmt.Println(version())
	return nil
}
