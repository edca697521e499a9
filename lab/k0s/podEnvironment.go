package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// variable is an environment variable of a container.
type variable struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	ValueFrom *struct {
		FieldRef *struct {
			FieldPath string `json:"fieldPath"`
		} `json:"fieldRef"`
		SecretKeyRef    *keyReference `json:"secretKeyRef"`
		ConfigMapKeyRef *keyReference `json:"configMapKeyRef"`
	} `json:"valueFrom"`
}

type keyReference struct {
	Name     string `json:"name"`
	Key      string `json:"key"`
	Optional bool   `json:"optional"`
}

// environment has the variables of all containers of the pod, init containers included: what the
// containers of a chart share among them, the lab's one program does alone.
func (r *podRun) environment() (map[string]string, error) {
	values := map[string]string{}
	for _, list := range [][]container{r.pod.Spec.InitContainers, r.pod.Spec.Containers} {
		for _, item := range list {
			for _, variable := range item.Env {
				value, err := r.valueOf(variable)
				if err != nil {
					return nil, err
				}
				values[variable.Name] = value
			}
		}
	}
	return values, nil
}

func (r *podRun) valueOf(v variable) (string, error) {
	switch from := v.ValueFrom; {
	case from == nil:
		return v.Value, nil
	case from.SecretKeyRef != nil:
		return r.keyOf("secrets", *from.SecretKeyRef)
	case from.ConfigMapKeyRef != nil:
		return r.keyOf("configmaps", *from.ConfigMapKeyRef)
	case from.FieldRef != nil:
		switch from.FieldRef.FieldPath {
		case "metadata.namespace":
			return r.pod.Metadata.Namespace, nil
		case "metadata.name":
			return r.pod.Metadata.Name, nil
		case "status.podIP", "status.hostIP":
			return nodeAddress(r.agent.client.server), nil
		}
	}
	// For example a limit of memory, which the lab's programs do not have.
	return "", nil
}

func (r *podRun) keyOf(kind string, reference keyReference) (string, error) {
	var found struct {
		Data map[string]string `json:"data"`
	}
	path := "/api/v1/namespaces/" + r.pod.Metadata.Namespace + "/" + kind + "/" + reference.Name
	err := r.agent.client.get(r.running, path, &found)
	value, exists := found.Data[reference.Key]
	switch {
	case err != nil && !isNotFound(err):
		return "", err
	case !exists && reference.Optional:
		return "", nil
	case err != nil:
		return "", err
	case !exists:
		return "", fmt.Errorf("couldn't find key %s in %s %s/%s", reference.Key, kind,
			r.pod.Metadata.Namespace, reference.Name)
	case kind == "secrets":
		plain, err := base64.StdEncoding.DecodeString(value)
		return string(plain), err
	}
	return value, nil
}

var reference = regexp.MustCompile(`\$\([A-Za-z0-9_.-]+\)`)

// expand replaces $(NAME). A name without a value stays, as in Kubernetes.
func expand(text string, values map[string]string) string {
	return reference.ReplaceAllStringFunc(text, func(found string) string {
		if value, exists := values[found[2:len(found)-1]]; exists {
			return value
		}
		return found
	})
}

// processEnvironment has the given variables, and those that every program of a pod gets.
func (r *podRun) processEnvironment(values map[string]string) []string {
	all := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.directory,
		"TMPDIR=" + r.directory + "/tmp",
		// Plain HTTP alone: the API is reached without the proxy.
		"HTTP_PROXY=" + r.agent.proxy}
	for name, value := range values {
		// Limits of memory and processors come from resources that the lab does not give.
		if !strings.HasPrefix(name, "GOMEMLIMIT") && !strings.HasPrefix(name, "GOMAXPROCS") {
			all = append(all, name+"="+value)
		}
	}
	return all
}
