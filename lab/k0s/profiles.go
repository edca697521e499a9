package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	configMapsPath = "/api/v1/namespaces/kube-system/configmaps"
	slicesPath     = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
	namespacedRBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/"
)

// workerProfiles keeps the ConfigMap that a worker of this minor version needs, with the addresses
// of all API servers (pkg/component/controller/workerconfig/reconciler.go).
type workerProfiles struct {
	client *kubeClient
	config *clusterConfig
	leader *elector
}

func profileName(profile string) string {
	return fmt.Sprintf("worker-config-%s-%s", profile, minor())
}

func (w *workerProfiles) run(ctx context.Context) {
	var written string
	for {
		if leading, _ := w.leader.status(); !leading {
			written = ""
		} else if text, err := w.addresses(ctx); err == nil && text != written {
			if err := w.write(ctx, text); err == nil {
				written = text
			} else {
				logError("worker-config", "%v", err)
			}
		}
		if !pause(ctx, time.Second) {
			return
		}
	}
}

// addresses are those of the service `kubernetes`, which the API servers keep.
func (w *workerProfiles) addresses(ctx context.Context) (string, error) {
	var list struct {
		Items []struct {
			Endpoints []struct {
				Addresses []string `json:"addresses"`
			} `json:"endpoints"`
		} `json:"items"`
	}
	const query = "?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"
	if err := w.client.get(ctx, slicesPath+query, &list); err != nil {
		return "", err
	}
	addresses := []string{}
	for _, item := range list.Items {
		for _, endpoint := range item.Endpoints {
			for _, address := range endpoint.Addresses {
				port := strconv.Itoa(w.config.Spec.API.Port)
				addresses = append(addresses, net.JoinHostPort(address, port))
			}
		}
	}
	slices.Sort(addresses)
	text, err := json.Marshal(addresses)
	return string(text), err
}

func (w *workerProfiles) write(ctx context.Context, addresses string) error {
	var effective struct {
		Spec struct {
			Network struct {
				NodeLocalLoadBalancing json.RawMessage `json:"nodeLocalLoadBalancing"`
			} `json:"network"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(w.config.effective, &effective); err != nil {
		return err
	}
	name := profileName("default")
	meta := object{"name": name, "namespace": "kube-system",
		"labels": object{"k0s.k0sproject.io/worker-profile": "default"}}
	role := "system:bootstrappers:worker-config-" + minor()
	roleMeta := object{"name": role, "namespace": "kube-system"}
	var subjects []object
	for _, group := range []string{"system:bootstrappers", "system:nodes"} {
		subjects = append(subjects, object{"apiGroup": rbacGroup, "kind": "Group", "name": group})
	}
	for _, item := range []manifest{
		{configMapsPath + "/" + name, object{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta,
			"data": object{
				"apiServerAddresses":     addresses,
				"nodeLocalLoadBalancing": string(effective.Spec.Network.NodeLocalLoadBalancing),
			},
		}},
		{namespacedRBAC + "roles/" + role, object{
			"apiVersion": rbacGroup + "/v1", "kind": "Role", "metadata": roleMeta,
			"rules": []object{{
				"apiGroups": []string{""}, "resources": []string{"configmaps"},
				"verbs": []string{"get", "list", "watch"}, "resourceNames": []string{name},
			}},
		}},
		{namespacedRBAC + "rolebindings/" + role, object{
			"apiVersion": rbacGroup + "/v1", "kind": "RoleBinding", "metadata": roleMeta,
			"roleRef":  object{"apiGroup": rbacGroup, "kind": "Role", "name": role},
			"subjects": subjects,
		}},
	} {
		if err := w.client.apply(ctx, item.path, item.body); err != nil {
			return err
		}
	}
	return nil
}

// workerProfile is what a worker reads of it.
type workerProfile struct {
	Addresses     []string
	LoadBalancing bool
}

func profileFile(vars *k0sVars) string { return filepath.Join(vars.DataDir, "worker-profile.yaml") }

func parseProfile(data map[string]string) (workerProfile, error) {
	var profile workerProfile
	if err := json.Unmarshal([]byte(data["apiServerAddresses"]), &profile.Addresses); err != nil {
		return profile, err
	}
	var balancing struct {
		Enabled bool `json:"enabled"`
	}
	err := json.Unmarshal([]byte(data["nodeLocalLoadBalancing"]), &balancing)
	profile.LoadBalancing = balancing.Enabled
	return profile, err
}
