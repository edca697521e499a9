package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"time"
)

// In place of OpenEBS' provisioner of local volumes: a PersistentVolume on the node that the
// scheduler chose for a claim. The directory is made by who uses it.

const (
	provisionerCommand = "lab-provisioner"
	provisionerName    = "openebs.io/local"
	volumesPath        = "/api/v1/persistentvolumes"
	selectedNode       = "volume.kubernetes.io/selected-node"
)

type claim struct {
	Metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		UID         string            `json:"uid"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		StorageClassName string   `json:"storageClassName"`
		VolumeName       string   `json:"volumeName"`
		AccessModes      []string `json:"accessModes"`
		Resources        struct {
			Requests map[string]string `json:"requests"`
		} `json:"resources"`
	} `json:"spec"`
}

type storageClass struct {
	Provisioner   string `json:"provisioner"`
	ReclaimPolicy string `json:"reclaimPolicy"`
}

func runProvisioner(ctx context.Context, _ []string) error {
	client, err := kubeClientFromFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	for {
		err := client.watch(ctx, "/api/v1/persistentvolumeclaims", nil,
			func(content json.RawMessage) bool {
				var found claim
				if json.Unmarshal(content, &found) != nil {
					return false
				}
				if err := provision(ctx, client, &found); err != nil {
					logError("provisioner", "%s: %v", found.Metadata.Name, err)
				}
				return false
			})
		if ctx.Err() != nil {
			return nil
		}
		logInfo("provisioner", "the watch ended: %v", err)
		pause(ctx, time.Second)
	}
}

func provision(ctx context.Context, client *kubeClient, wanted *claim) error {
	node := wanted.Metadata.Annotations[selectedNode]
	if node == "" || wanted.Spec.VolumeName != "" {
		return nil
	}
	var class storageClass
	path := "/apis/storage.k8s.io/v1/storageclasses/" + wanted.Spec.StorageClassName
	if err := client.get(ctx, path, &class); err != nil || class.Provisioner != provisionerName {
		return err
	}
	name := "pvc-" + wanted.Metadata.UID
	err := client.create(ctx, volumesPath, object{
		"apiVersion": "v1", "kind": "PersistentVolume",
		"metadata": object{"name": name, "annotations": object{
			"pv.kubernetes.io/provisioned-by": provisionerName,
		}},
		"spec": object{
			"accessModes":                   wanted.Spec.AccessModes,
			"capacity":                      object{"storage": wanted.Spec.Resources.Requests["storage"]},
			"persistentVolumeReclaimPolicy": class.ReclaimPolicy,
			"storageClassName":              wanted.Spec.StorageClassName,
			"local":                         object{"path": "/var/openebs/local/" + name},
			"claimRef": object{"apiVersion": "v1", "kind": "PersistentVolumeClaim",
				"namespace": wanted.Metadata.Namespace, "name": wanted.Metadata.Name,
				"uid": wanted.Metadata.UID},
			"nodeAffinity": object{"required": object{"nodeSelectorTerms": []object{{
				"matchExpressions": []object{{"key": "kubernetes.io/hostname", "operator": "In",
					"values": []string{node}}},
			}}}},
		},
	}, nil)
	if isStatus(err, http.StatusConflict) {
		return nil
	}
	return err
}
