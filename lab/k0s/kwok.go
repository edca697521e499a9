package main

import (
	"bytes"
	"context"
	_ "embed"
	"os"
	"path/filepath"
	"strings"
)

// The stages of kwok that make a node Ready, and its pods run, complete and end.
//
//go:embed stages.yaml
var stages []byte

// startKwok runs kwok in place of the kubelet, for this node alone and with the kubelet's identity.
// Its node lease ends as a kubelet's does: the node becomes NotReady after the usual 40 s.
func (w *worker) startKwok(ctx context.Context, kubeconfigPath string) (*process, error) {
	// A kubelet renews the lease of its node at once. kwok has another identity at each start, and
	// would wait until the earlier one's lease ends.
	if client, err := kubeClientFromFile(kubeconfigPath); err == nil {
		_ = client.delete(ctx, leasesPath+"/"+hostName())
	}
	config := filepath.Join(w.vars.RunDir, "kwok.yaml")
	if err := os.WriteFile(config, kwokConfig(), 0o644); err != nil {
		return nil, err
	}
	return supervise(w.vars, "kwok", []string{
		"--kubeconfig=" + kubeconfigPath,
		"--config=" + config,
		"--manage-single-node=" + hostName(),
		"--node-lease-duration-seconds=40",
		"--server-address=" + kwokAddress,
	}, defaultGrace)
}

// kwokConfig leaves pods with a program to the pod agent: their images' names are in no stage.
func kwokConfig() []byte {
	names := []string{"none"}
	if os.Getenv(podProgramsVariable) != "" {
		for _, program := range labPrograms {
			names = append(names, program.image)
		}
	}
	return bytes.ReplaceAll(stages, []byte("LAB_PROGRAMS"), []byte(strings.Join(names, ", ")))
}
