package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// clusterConfig is the part of the configuration that the stand-in uses. `effective` is all of it,
// with defaults, as `k0s status -o json` prints it.
type clusterConfig struct {
	Spec struct {
		API struct {
			Address           string            `json:"address"`
			ExternalAddress   string            `json:"externalAddress"`
			OnlyBindToAddress bool              `json:"onlyBindToAddress"`
			Port              int               `json:"port"`
			K0sAPIPort        int               `json:"k0sApiPort"`
			SANs              []string          `json:"sans"`
			ExtraArgs         map[string]string `json:"extraArgs"`
		} `json:"api"`
		Storage struct {
			Type string `json:"type"`
			Etcd struct {
				PeerAddress string            `json:"peerAddress"`
				ExtraArgs   map[string]string `json:"extraArgs"`
			} `json:"etcd"`
		} `json:"storage"`
		Network struct {
			PodCIDR                string `json:"podCIDR"`
			ServiceCIDR            string `json:"serviceCIDR"`
			ClusterDomain          string `json:"clusterDomain"`
			NodeLocalLoadBalancing struct {
				Enabled bool `json:"enabled"`
			} `json:"nodeLocalLoadBalancing"`
		} `json:"network"`
		ControllerManager struct {
			ExtraArgs map[string]string `json:"extraArgs"`
		} `json:"controllerManager"`
		Scheduler struct {
			ExtraArgs map[string]string `json:"extraArgs"`
		} `json:"scheduler"`
		Extensions *json.RawMessage `json:"extensions"`
	} `json:"spec"`
	effective json.RawMessage
}

type object = map[string]any

// The fields of spec (pkg/apis/k0s/v1beta1/clusterconfig_types.go). k0s refuses others.
var specFields = object{
	"api": nil, "controllerManager": nil, "scheduler": nil, "storage": nil, "network": nil,
	"workerProfiles": nil, "telemetry": nil, "installConfig": nil, "images": nil,
	"extensions": nil, "konnectivity": nil, "featureGates": nil, "metricsServer": nil,
	"podSecurityPolicy": nil,
}

// The defaults of pkg/apis/k0s/v1beta1, without images.
func defaultConfig() object {
	address := firstPublicAddress()
	return object{
		"apiVersion": "k0s.k0sproject.io/v1beta1",
		"kind":       "ClusterConfig",
		"metadata":   object{"name": "k0s", "namespace": "kube-system"},
		"spec": object{
			"api": object{
				"address": address, "port": 6443, "k0sApiPort": 9443, "sans": []any{address},
				"ca": object{"expiresAfter": "87600h0m0s", "certificatesExpireAfter": "8760h0m0s"},
			},
			"controllerManager": object{},
			"scheduler":         object{},
			"storage": object{
				"type": "etcd",
				"etcd": object{"peerAddress": address, "externalCluster": nil},
			},
			"network": object{
				"provider": "kuberouter", "podCIDR": "10.244.0.0/16",
				"serviceCIDR": "10.96.0.0/12", "clusterDomain": "cluster.local",
				"nodeLocalLoadBalancing": object{"enabled": false, "type": "EnvoyProxy"},
			},
			"konnectivity": object{"adminPort": 8133, "agentPort": 8132},
			"telemetry":    object{"enabled": false},
			"extensions":   object{"helm": object{"concurrencyLevel": 5}},
		},
	}
}

func loadConfig(path string) (*clusterConfig, error) {
	var read object
	content, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := yaml.Unmarshal(content, &read); err != nil {
			return nil, err
		}
	case !os.IsNotExist(err) || path != configPathDefault:
		return nil, err
	}
	if spec, _ := read["spec"].(object); spec != nil {
		for name := range spec {
			if _, known := specFields[name]; !known {
				return nil, fmt.Errorf("error unmarshaling JSON: while decoding JSON: "+
					"json: unknown field %q", name)
			}
		}
	}
	return effectiveConfig(merged(defaultConfig(), read))
}

func effectiveConfig(all object) (*clusterConfig, error) {
	content, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	config := &clusterConfig{effective: content}
	if err := json.Unmarshal(content, config); err != nil {
		return nil, err
	}
	return config, nil
}

// merged lays one tree over another.
func merged(base, over object) object {
	result := object{}
	for name, value := range base {
		result[name] = value
	}
	for name, value := range over {
		below, isObject := value.(object)
		lower, wasObject := result[name].(object)
		if isObject && wasObject {
			result[name] = merged(lower, below)
		} else if value != nil {
			result[name] = value
		}
	}
	return result
}

func (c *clusterConfig) validate() error {
	var faults []error
	for name, address := range map[string]string{
		"spec: api: address":                c.Spec.API.Address,
		"spec: storage: etcd: peerAddress:": c.Spec.Storage.Etcd.PeerAddress,
	} {
		if net.ParseIP(address) == nil {
			fault := fmt.Errorf("%s: Invalid value: %q: invalid IP address", name, address)
			faults = append(faults, fault)
		}
	}
	if c.Spec.Storage.Type != "etcd" {
		faults = append(faults, fmt.Errorf("the lab's k0s has no storage %q", c.Spec.Storage.Type))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("invalid node config: %w", err)
	}
	return nil
}

// externalURL is the address that tokens and kubeconfigs get (pkg/apis/k0s/v1beta1/api.go).
func (c *clusterConfig) externalURL(port int) string {
	host := c.Spec.API.Address
	if external := c.Spec.API.ExternalAddress; external != "" {
		if _, _, err := net.SplitHostPort(external); err == nil {
			return (&url.URL{Scheme: "https", Host: external}).String()
		}
		host = external
	}
	address := net.JoinHostPort(host, strconv.Itoa(port))
	return (&url.URL{Scheme: "https", Host: address}).String()
}

func (c *clusterConfig) apiURL() string  { return c.externalURL(c.Spec.API.Port) }
func (c *clusterConfig) joinURL() string { return c.externalURL(c.Spec.API.K0sAPIPort) }

func (c *clusterConfig) localURL() string {
	host := "localhost"
	if c.Spec.API.OnlyBindToAddress {
		host = c.Spec.API.Address
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(c.Spec.API.Port))
}

func (c *clusterConfig) peerURL() string {
	return "https://" + net.JoinHostPort(c.Spec.Storage.Etcd.PeerAddress, "2380")
}

// memberName is the name of the etcd member and of its EtcdMember object.
func (c *clusterConfig) memberName() string {
	if name := c.Spec.Storage.Etcd.ExtraArgs["name"]; name != "" {
		return name
	}
	return hostName()
}

// hostName is also the name of the Node (nodeutil.GetHostname).
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return strings.ToLower(strings.TrimSpace(name))
}

func firstPublicAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "127.0.0.1"
	}
	for _, address := range addresses {
		network, ok := address.(*net.IPNet)
		if ok && network.IP.To4() != nil && !network.IP.IsLoopback() {
			return network.IP.String()
		}
	}
	return "127.0.0.1"
}
