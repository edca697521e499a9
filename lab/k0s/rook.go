package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

// In place of Rook's operator: one OSD for each device that a CephCluster lists, as a Deployment
// whose pod belongs to kwok, and the phase Ready. As with Rook, a cluster without OSDs is Ready
// too.

const (
	rookCommand  = "lab-rook"
	clustersPath = "/apis/ceph.rook.io/v1/cephclusters"
)

type cephCluster struct {
	Metadata struct {
		Name       string `json:"name"`
		Namespace  string `json:"namespace"`
		UID        string `json:"uid"`
		Generation int    `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		CephVersion struct {
			Image string `json:"image"`
		} `json:"cephVersion"`
		Storage struct {
			Nodes []struct {
				Name    string `json:"name"`
				Devices []struct {
					Name string `json:"name"`
				} `json:"devices"`
			} `json:"nodes"`
		} `json:"storage"`
	} `json:"spec"`
	Status struct {
		Phase              string `json:"phase"`
		ObservedGeneration int    `json:"observedGeneration"`
	} `json:"status"`
}

func runRook(ctx context.Context, _ []string) error {
	client, err := kubeClientFromFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	for {
		// It fails until the CRD is there.
		_ = client.watch(ctx, clustersPath, nil, func(content json.RawMessage) bool {
			var found cephCluster
			if json.Unmarshal(content, &found) == nil {
				if err := orchestrate(ctx, client, &found); err != nil {
					logError("rook", "%s: %v", found.Metadata.Name, err)
				}
			}
			return false
		})
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}

func orchestrate(ctx context.Context, client *kubeClient, cluster *cephCluster) error {
	meta := cluster.Metadata
	if cluster.Status.Phase == "Ready" && cluster.Status.ObservedGeneration == meta.Generation {
		return nil
	}
	number := 0
	for _, node := range cluster.Spec.Storage.Nodes {
		for range node.Devices {
			path := "/apis/apps/v1/namespaces/" + meta.Namespace + "/deployments"
			err := client.create(ctx, path, osd(cluster, node.Name, number), nil)
			if err != nil && !isStatus(err, http.StatusConflict) {
				return err
			}
			number++
		}
	}
	path := "/apis/ceph.rook.io/v1/namespaces/" + meta.Namespace + "/cephclusters/" + meta.Name
	now := time.Now().UTC().Format(time.RFC3339)
	return client.patch(ctx, path+"/status", mergePatch, object{"status": object{
		"phase": "Ready", "state": "Created", "message": "Cluster created successfully",
		"observedGeneration": meta.Generation,
		"ceph":               object{"health": "HEALTH_OK", "lastChecked": now},
		"conditions": []object{{"type": "Ready", "status": "True", "reason": "ClusterCreated",
			"message": "Cluster created successfully", "lastTransitionTime": now}},
	}}, nil)
}

func osd(cluster *cephCluster, node string, number int) object {
	name := fmt.Sprintf("rook-ceph-osd-%d", number)
	labels := object{"app": "rook-ceph-osd", "ceph-osd-id": fmt.Sprint(number),
		"rook_cluster": cluster.Metadata.Namespace}
	return object{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": object{"name": name, "labels": labels, "ownerReferences": []object{{
			"apiVersion": "ceph.rook.io/v1", "kind": "CephCluster", "controller": true,
			"name": cluster.Metadata.Name, "uid": cluster.Metadata.UID,
		}}},
		"spec": object{
			"replicas": 1, "strategy": object{"type": "Recreate"},
			"selector": object{"matchLabels": labels},
			"template": object{
				"metadata": object{"labels": labels},
				"spec": object{
					"nodeSelector": object{"kubernetes.io/hostname": node},
					"containers": []object{
						{"name": "osd", "image": cluster.Spec.CephVersion.Image},
					},
				},
			},
		},
	}
}
