package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

const (
	bindingsPath = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
	rolesPath    = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
	crdsPath     = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	crdName      = "etcdmembers.etcd.k0sproject.io"
	rbacGroup    = "rbac.authorization.k8s.io"
)

// applyManifests creates what a cluster needs before members and workers can use it.
func applyManifests(ctx context.Context, client *kubeClient) error {
	deadline, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	// The API server creates its own roles in the first seconds.
	return retry(deadline, 60, 500*time.Millisecond, 2*time.Second, func() error {
		for _, item := range systemRBAC() {
			if err := client.apply(deadline, item.path, item.body); err != nil {
				return err
			}
		}
		if err := client.apply(deadline, crdsPath+"/"+crdName, etcdMemberCRD()); err != nil {
			return err
		}
		return crdEstablished(deadline, client)
	})
}

func crdEstablished(ctx context.Context, client *kubeClient) error {
	var crd struct {
		Status struct {
			Conditions []struct{ Type, Status string } `json:"conditions"`
		} `json:"status"`
	}
	if err := client.get(ctx, crdsPath+"/"+crdName, &crd); err != nil {
		return err
	}
	for _, condition := range crd.Status.Conditions {
		if condition.Type == "Established" && condition.Status == "True" {
			return nil
		}
	}
	return errors.New("EtcdMember CRD did not become established in time")
}

type manifest struct {
	path string
	body object
}

// systemRBAC lets workers bootstrap (pkg/component/controller/systemrbac.yaml). One role is not
// k0s's: kwok lists nodes at its start, and leases. A kubelet may only get its own. The proxy for
// pods' programs lists endpoints.
func systemRBAC() []manifest {
	const requests = "system:certificates.k8s.io:certificatesigningrequests:"
	items := []manifest{{
		path: rolesPath + "/lab:kwok",
		body: object{
			"apiVersion": rbacGroup + "/v1", "kind": "ClusterRole",
			"metadata": object{"name": "lab:kwok"},
			"rules": []object{
				{"apiGroups": []string{""}, "resources": []string{"nodes"},
					"verbs": []string{"list"}},
				{"apiGroups": []string{"coordination.k8s.io"}, "resources": []string{"leases"},
					"verbs": []string{"list", "watch"}},
				{"apiGroups": []string{"discovery.k8s.io"}, "resources": []string{"endpointslices"},
					"verbs": []string{"list"}},
			},
		},
	}}
	for _, binding := range []struct{ name, role, group string }{
		{"kubelet-bootstrap", "system:node-bootstrapper", "system:bootstrappers"},
		{"node-autoapprove-bootstrap", requests + "nodeclient", "system:bootstrappers"},
		{"node-autoapprove-certificate-rotation", requests + "selfnodeclient", "system:nodes"},
		{"lab:kwok", "lab:kwok", "system:nodes"},
	} {
		items = append(items, manifest{bindingsPath + "/" + binding.name, object{
			"apiVersion": rbacGroup + "/v1", "kind": "ClusterRoleBinding",
			"metadata": object{"name": binding.name},
			"roleRef": object{
				"apiGroup": rbacGroup, "kind": "ClusterRole", "name": binding.role,
			},
			"subjects": []object{{"apiGroup": rbacGroup, "kind": "Group", "name": binding.group}},
		}})
	}
	return items
}

// etcdMemberCRD has the validation of k0s's (static/_crds/etcd).
func etcdMemberCRD() object {
	const schema = `{
		"type": "object",
		"properties": {
			"apiVersion": {"type": "string"},
			"kind": {"type": "string"},
			"metadata": {"type": "object"},
			"spec": {"type": "object", "properties": {"leave": {"type": "boolean"}}},
			"status": {
				"type": "object",
				"required": ["memberID", "peerAddress"],
				"properties": {
					"peerAddress": {"type": "string"},
					"memberID": {"type": "string", "pattern": "^[a-fA-F0-9]+$"},
					"reconcileStatus": {"type": "string"},
					"message": {"type": "string"},
					"conditions": {
						"type": "array",
						"x-kubernetes-list-type": "map",
						"x-kubernetes-list-map-keys": ["type"],
						"items": {
							"type": "object",
							"required": ["status", "type"],
							"properties": {
								"type": {"type": "string", "enum": ["Joined"]},
								"status": {"type": "string", "enum": ["True", "False", "Unknown"]},
								"lastTransitionTime": {"type": "string", "format": "date-time"},
								"message": {"type": "string"}
							}
						}
					}
				}
			}
		}
	}`
	column := func(name, path string) object {
		return object{"name": name, "type": "string", "jsonPath": path}
	}
	return object{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": object{"name": crdName},
		"spec": object{
			"group": "etcd.k0sproject.io", "scope": "Cluster",
			"names": object{"kind": "EtcdMember", "listKind": "EtcdMemberList",
				"plural": "etcdmembers", "singular": "etcdmember"},
			"versions": []object{{
				"name": "v1beta1", "served": true, "storage": true,
				"subresources": object{"status": object{}},
				"schema":       object{"openAPIV3Schema": json.RawMessage(schema)},
				"additionalPrinterColumns": []object{
					column("Peer Address", ".status.peerAddress"),
					column("Member ID", ".status.memberID"),
					column("Joined", `.status.conditions[?(@.type=="Joined")].status`),
					column("Reconcile Status", ".status.reconcileStatus"),
				},
			}},
		},
	}
}
