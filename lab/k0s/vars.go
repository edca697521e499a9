package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// k0sVars are k0s's paths, with the names that `k0s status -o json` prints (pkg/config/cfgvars.go).
type k0sVars struct {
	InvocationID               string
	AdminKubeConfigPath        string
	BinDir                     string
	CertRootDir                string
	DataDir                    string
	KubeletRootDir             string
	EtcdCertDir                string
	EtcdDataDir                string
	KineSocketPath             string
	KonnectivitySocketDir      string
	KubeletAuthConfigPath      string
	ManifestsDir               string
	RunDir                     string
	KonnectivityKubeConfigPath string
	OCIBundleDir               string
	DefaultStorageType         string
	RuntimeConfigPath          string
	StatusSocketPath           string
	StartupConfigPath          string
	HelmHome                   string
	HelmRepositoryCache        string
	HelmRepositoryConfig       string
}

const (
	dataDirDefault    = "/var/lib/k0s"
	runDir            = "/run/k0s"
	configPathDefault = "/etc/k0s/k0s.yaml"
)

func newVars(flags commonFlags) (*k0sVars, error) {
	data := flags.dataDir
	if data == "" {
		data = dataDirDefault
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, fmt.Errorf("invalid datadir: %w", err)
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	below := func(name ...string) string { return filepath.Join(append([]string{data}, name...)...) }
	running := func(name string) string { return filepath.Join(runDir, name) }
	vars := &k0sVars{
		InvocationID:               hex.EncodeToString(id),
		AdminKubeConfigPath:        below("pki", "admin.conf"),
		BinDir:                     below("bin"),
		CertRootDir:                below("pki"),
		DataDir:                    data,
		KubeletRootDir:             below("kubelet"),
		EtcdCertDir:                below("pki", "etcd"),
		EtcdDataDir:                below("etcd"),
		KineSocketPath:             running("kine/kine.sock:2379"),
		KonnectivitySocketDir:      running("konnectivity-server"),
		KubeletAuthConfigPath:      below("kubelet.conf"),
		ManifestsDir:               below("manifests"),
		RunDir:                     runDir,
		KonnectivityKubeConfigPath: below("pki", "konnectivity.conf"),
		OCIBundleDir:               below("images"),
		DefaultStorageType:         "etcd",
		RuntimeConfigPath:          running("k0s.yaml"),
		StatusSocketPath:           running("status.sock"),
		StartupConfigPath:          configPathDefault,
		HelmHome:                   below("helmhome"),
		HelmRepositoryCache:        below("helmhome", "cache"),
		HelmRepositoryConfig:       below("helmhome", "repositories.yaml"),
	}
	if flags.statusSocket != "" {
		vars.StatusSocketPath = flags.statusSocket
	}
	if flags.config != "" {
		vars.StartupConfigPath = flags.config
	}
	return vars, nil
}

// The file of a running k0s, by which the other commands find its paths (pkg/config/runtime.go).
// It counts only while the process holds the lock.
type runtimeConfig struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Spec       runtimeConfigSpec `json:"spec"`
}

type runtimeConfigSpec struct {
	NodeConfig json.RawMessage `json:"nodeConfig,omitempty"`
	K0sVars    *k0sVars        `json:"k0sVars"`
}

// commandVars returns the paths of the running k0s, else the defaults and the flags.
func commandVars(flags commonFlags) (*k0sVars, error) {
	vars, err := newVars(flags)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(vars.RuntimeConfigPath+".lock", os.O_RDWR, 0)
	if err != nil {
		return vars, nil
	}
	defer lock.Close()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return vars, nil
	}
	content, err := os.ReadFile(vars.RuntimeConfigPath)
	if err != nil {
		return vars, nil
	}
	var config runtimeConfig
	if json.Unmarshal(content, &config) != nil || config.Spec.K0sVars == nil {
		return vars, nil
	}
	return config.Spec.K0sVars, nil
}

// writeRuntimeConfig takes the lock of a running k0s, until the returned function is called.
func writeRuntimeConfig(vars *k0sVars, nodeConfig json.RawMessage) (func(), error) {
	lock, err := os.OpenFile(vars.RuntimeConfigPath+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("failed to initialize runtime config: %w", err)
	}
	if !locked(lock) {
		lock.Close()
		return nil, errors.New(
			"failed to initialize runtime config: another k0s process is still running")
	}
	content, err := json.Marshal(runtimeConfig{
		APIVersion: "k0s.k0sproject.io/v1beta1",
		Kind:       "RuntimeConfig",
		Spec:       runtimeConfigSpec{NodeConfig: nodeConfig, K0sVars: vars},
	})
	if err == nil {
		err = os.WriteFile(vars.RuntimeConfigPath, content, 0o600)
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("failed to write runtime config: %w", err)
	}
	return func() {
		os.Remove(vars.RuntimeConfigPath)
		lock.Close()
	}, nil
}

// locked tries for a second. k0s tries once: there a start fails if a command such as `k0s status`
// tests the lock in the same moment (isLocked in pkg/config/runtime.go).
func locked(lock *os.File) bool {
	for range 20 {
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

// makeDirectories creates k0s's directories with its modes (pkg/constant/constant.go).
func makeDirectories(modes map[string]os.FileMode) error {
	for path, mode := range modes {
		if err := os.MkdirAll(path, mode); err != nil {
			return err
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
	}
	return nil
}

// writeFile replaces a file in one step.
func writeFile(path string, content []byte, mode os.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
