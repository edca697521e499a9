package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
)

// encoded is a byte string that YAML has in base64.
type encoded []byte

func (e encoded) MarshalYAML() (any, error) { return base64.StdEncoding.EncodeToString(e), nil }

func (e *encoded) UnmarshalYAML(node *yaml.Node) error {
	bytes, err := base64.StdEncoding.DecodeString(node.Value)
	*e = bytes
	return err
}

type kubeUser struct {
	ClientCertificateData encoded `yaml:"client-certificate-data,omitempty"`
	ClientKeyData         encoded `yaml:"client-key-data,omitempty"`
	Token                 string  `yaml:"token,omitempty"`
}

type kubeCluster struct {
	CertificateAuthorityData encoded `yaml:"certificate-authority-data"`
	Server                   string  `yaml:"server"`
}

type kubeContext struct {
	Cluster string `yaml:"cluster"`
	User    string `yaml:"user"`
}

// kubeconfig has the fields of a kubeconfig in the order in which client-go writes them.
type kubeconfig struct {
	APIVersion string `yaml:"apiVersion"`
	Clusters   []struct {
		Cluster kubeCluster `yaml:"cluster"`
		Name    string      `yaml:"name"`
	} `yaml:"clusters"`
	Contexts []struct {
		Context kubeContext `yaml:"context"`
		Name    string      `yaml:"name"`
	} `yaml:"contexts"`
	CurrentContext string `yaml:"current-context"`
	Kind           string `yaml:"kind"`
	Users          []struct {
		Name string   `yaml:"name"`
		User kubeUser `yaml:"user"`
	} `yaml:"users"`
}

func newKubeconfig(
	cluster, contextName, userName, server string, ca []byte, user kubeUser,
) *kubeconfig {
	file := &kubeconfig{APIVersion: "v1", Kind: "Config", CurrentContext: contextName}
	file.Clusters = append(file.Clusters, struct {
		Cluster kubeCluster `yaml:"cluster"`
		Name    string      `yaml:"name"`
	}{kubeCluster{ca, server}, cluster})
	file.Contexts = append(file.Contexts, struct {
		Context kubeContext `yaml:"context"`
		Name    string      `yaml:"name"`
	}{kubeContext{cluster, userName}, contextName})
	file.Users = append(file.Users, struct {
		Name string   `yaml:"name"`
		User kubeUser `yaml:"user"`
	}{userName, user})
	return file
}

func (k *kubeconfig) encode() []byte {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(k); err != nil {
		panic(err)
	}
	return text.Bytes()
}

func parseKubeconfig(content []byte) (*kubeconfig, error) {
	file := &kubeconfig{}
	if err := yaml.Unmarshal(content, file); err != nil {
		return nil, err
	}
	if len(file.Clusters) == 0 || len(file.Users) == 0 || len(file.Contexts) == 0 {
		return nil, errors.New("invalid configuration: no configuration has been provided")
	}
	return file, nil
}

func readKubeconfig(path string) (*kubeconfig, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseKubeconfig(content)
}

// runKubeconfigAdmin prints files of the PKI, also while k0s is stopped.
func runKubeconfigAdmin(_ context.Context, args []string) error {
	var common commonFlags
	if _, err := parseFlags("kubeconfig admin", args, 0, common.add); err != nil {
		return err
	}
	vars, config, err := commandConfig(common)
	if err != nil {
		return err
	}
	var contents [3][]byte
	for i, name := range []string{"ca.crt", "admin.crt", "admin.key"} {
		path := filepath.Join(vars.CertRootDir, name)
		if contents[i], err = os.ReadFile(path); os.IsNotExist(err) {
			return fmt.Errorf("admin PKI file %q not found, "+
				"check if the control plane is initialized on this node", path)
		} else if err != nil {
			return fmt.Errorf("failed to create admin kubeconfig: %w", err)
		}
	}
	user := kubeUser{ClientCertificateData: contents[1], ClientKeyData: contents[2]}
	file := newKubeconfig("local", "Default", "user", config.apiURL(), contents[0], user)
	_, err = os.Stdout.Write(file.encode())
	return err
}

// runKubeconfigCreate signs a new identity at each call. Its key pair stays in the PKI.
func runKubeconfigCreate(_ context.Context, args []string) error {
	var common commonFlags
	var groups, contextName string
	var lifetime time.Duration
	words, err := parseFlags("kubeconfig create", args, 1, func(flags *flag.FlagSet) {
		common.add(flags)
		flags.StringVar(&groups, "groups", "", "")
		flags.DurationVar(&lifetime, "certificate-expires-after", certificateLifetime, "")
		flags.StringVar(&contextName, "context-name", "k0s", "")
	})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return errors.New("accepts 1 arg(s), received 0")
	}
	if words[0] == "" {
		return errors.New("username cannot be empty")
	}
	vars, config, err := commandConfig(common)
	if err != nil {
		return err
	}
	p := pki{vars.CertRootDir}
	pair, err := p.create(request{name: words[0], commonName: words[0], organization: groups,
		ca: "ca", lifetime: lifetime})
	if err != nil {
		return fmt.Errorf("failed generate user certificate: %w, "+
			"check if the control plane is initialized on this node", err)
	}
	ca, err := os.ReadFile(p.path("ca.crt"))
	if err != nil {
		return err
	}
	user := kubeUser{ClientCertificateData: pair.certificate, ClientKeyData: pair.key}
	file := newKubeconfig(contextName, contextName, words[0], config.apiURL(), ca, user)
	_, err = os.Stdout.Write(file.encode())
	return err
}

// runKubectl runs kubectl as admin of the cluster, as `k0s kubectl` does.
func runKubectl(_ context.Context, args []string) error {
	vars, err := commandVars(commonFlags{})
	if err != nil {
		return err
	}
	program, err := findProgram(vars, "kubectl")
	if err != nil {
		return err
	}
	command := exec.Command(program, args...)
	environment := command.Environ()
	if os.Getenv("KUBECONFIG") == "" {
		environment = append(environment, "KUBECONFIG="+vars.AdminKubeConfigPath)
	}
	return syscall.Exec(program, append([]string{"kubectl"}, args...), environment)
}

func commandConfig(common commonFlags) (*k0sVars, *clusterConfig, error) {
	vars, err := commandVars(common)
	if err != nil {
		return nil, nil, err
	}
	config, err := loadConfig(vars.StartupConfigPath)
	return vars, config, err
}
