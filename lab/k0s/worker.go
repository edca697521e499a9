package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

type workerFlags struct {
	tokenFile, profile string
	labels, taints     listFlag
}

func (f *workerFlags) add(flags *flag.FlagSet) {
	flags.StringVar(&f.tokenFile, "token-file", "", "")
	flags.StringVar(&f.profile, "profile", "default", "")
	flags.Var(&f.labels, "labels", "")
	flags.Var(&f.taints, "taints", "")
	for _, name := range []string{
		"kubelet-extra-args", "kubelet-root-dir", "cri-socket", "iptables-mode", "logging", "l",
	} {
		flags.String(name, "", "")
	}
	for _, name := range []string{"ignore-pre-flight-checks", "enable-cloud-provider"} {
		flags.Bool(name, false, "")
	}
}

// tokenSource is where a join token comes from (cmd/internal/tokendata.go).
type tokenSource struct{ argument, file string }

const tokenVariable = "K0S_TOKEN"

func (t tokenSource) check() error {
	sources := 0
	for _, source := range []string{t.argument, t.file, os.Getenv(tokenVariable)} {
		if source != "" {
			sources++
		}
	}
	if sources > 1 {
		return fmt.Errorf("you can only pass one token source: either as a CLI argument, "+
			"via '--token-file [path]', or via the %s environment variable", tokenVariable)
	}
	return nil
}

// read returns an empty text where no token was given.
func (t tokenSource) read() (string, error) {
	switch {
	case t.argument != "":
		return t.argument, nil
	case os.Getenv(tokenVariable) != "":
		return os.Getenv(tokenVariable), nil
	case t.file != "":
		return readToken(t.file)
	default:
		return "", nil
	}
}

// worker is what a controller with --enable-worker and `k0s worker` have in common.
type worker struct {
	vars   *k0sVars
	labels []string
	taints []string
	// The profile's name, of --profile.
	profile string
	// Returns a kubeconfig that may ask for the certificate of a kubelet.
	bootstrap func() (*kubeconfig, error)
	// Address of the API server of the controller beside it.
	direct string
}

// keepCA writes the CA of a token, but never replaces one that is there
// (pkg/component/worker/utils.go).
func keepCA(vars *k0sVars, token *kubeconfig) error {
	path := filepath.Join(vars.CertRootDir, "ca.crt")
	if exists(path) || len(token.Clusters) == 0 {
		return nil
	}
	return writeFile(path, token.Clusters[0].Cluster.CertificateAuthorityData, 0o644)
}

const directKubeletConfig = "kubelet-direct.conf"

func runWorker(ctx context.Context, args []string) error {
	var common commonFlags
	var flags workerFlags
	words, err := parseFlags("worker", args, 1, func(set *flag.FlagSet) {
		common.add(set)
		flags.add(set)
	})
	if err != nil {
		return err
	}
	token := tokenSource{file: flags.tokenFile}
	if len(words) == 1 {
		token.argument = words[0]
	}
	if err := token.check(); err != nil {
		return err
	}
	vars, err := newVars(common)
	if err != nil {
		return err
	}
	if err := makeDirectories(map[string]os.FileMode{
		vars.DataDir: 0o755, vars.RunDir: 0o755, vars.BinDir: 0o755, vars.KubeletRootDir: 0o700,
		vars.CertRootDir: 0o751,
	}); err != nil {
		return err
	}
	cleanup, err := writeRuntimeConfig(vars, nil)
	if err != nil {
		return err
	}
	defer cleanup()
	w := &worker{
		vars: vars, labels: flags.labels, taints: flags.taints, profile: flags.profile,
		bootstrap: func() (*kubeconfig, error) {
			text, err := token.read()
			if err != nil {
				return nil, err
			}
			if text == "" {
				return nil, errors.New("neither regular nor bootstrap kubeconfig files exist and " +
					"no join token given; dunno how to make kubelet authenticate to API server")
			}
			file, err := unpackToken(text, roleWorker)
			if err != nil {
				return nil, fmt.Errorf("failed to get bootstrap kubeconfig: %w", err)
			}
			if err := keepCA(vars, file); err != nil {
				return nil, fmt.Errorf("failed to write ca client cert: %w", err)
			}
			return file, nil
		},
	}
	stop, kubelet, err := w.start(ctx)
	if err != nil {
		return err
	}
	defer stop()
	status := k0sStatus{Role: "worker", Workloads: true}
	answers, err := startStatus(vars, status, kubelet)
	if err != nil {
		return err
	}
	defer answers.stop()
	<-ctx.Done()
	logInfo("k0s", "Shutting down process")
	return nil
}

// startEmbeddedWorker runs a worker beside a controller. It bootstraps as admin.
func (c *controller) startEmbeddedWorker(ctx context.Context) {
	w := &worker{
		vars: c.vars, profile: c.flags.worker.profile,
		labels: append(c.flags.worker.labels, "node.k0sproject.io/role=control-plane"),
		taints: c.flags.worker.taints,
		direct: c.config.localURL(),
		bootstrap: func() (*kubeconfig, error) {
			return readKubeconfig(c.vars.AdminKubeConfigPath)
		},
	}
	if !c.flags.noTaints {
		w.taints = append(w.taints, "node-role.kubernetes.io/control-plane:NoSchedule")
	}
	c.inBackground(func(background context.Context) {
		starting, cancel := context.WithCancel(ctx)
		defer cancel()
		stop, _, err := w.start(starting)
		if err != nil {
			logError("worker", "%v", err)
			return
		}
		<-background.Done()
		stop()
	})
}

// bootstrapKubelet gets the kubelet's certificate by a token, once
// (pkg/component/worker/utils.go). Afterwards no token is read.
func (w *worker) bootstrapKubelet(ctx context.Context) error {
	if exists(w.vars.KubeletAuthConfigPath) {
		return nil
	}
	file, err := w.bootstrap()
	if err != nil {
		return fmt.Errorf("failed to bootstrap kubelet client configuration: %w", err)
	}
	client, err := newKubeClient(file)
	if err != nil {
		return fmt.Errorf("failed to bootstrap kubelet client configuration: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	var certificate []byte
	err = retry(ctx, 10, time.Second, time.Hour, func() error {
		certificate, err = requestCertificate(ctx, client, key, kubeletClient, nil)
		if err != nil {
			logInfo("bootstrap-kubelet", "%v", err)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("failed to bootstrap kubelet client configuration: "+
			"failed to bootstrap client configuration: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	user := kubeUser{ClientCertificateData: certificate,
		ClientKeyData: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})}
	cluster := file.Clusters[0].Cluster
	kubelet := newKubeconfig("default-cluster", "default-context", "default-auth", cluster.Server,
		cluster.CertificateAuthorityData, user)
	return writeFile(w.vars.KubeletAuthConfigPath, kubelet.encode(), 0o600)
}

// certificateUse is a signer of the controller manager, and what its certificates are for.
type certificateUse struct{ signer, usage string }

var (
	// The controller manager approves these by itself, and the lab's k0s the others.
	kubeletClient  = certificateUse{"kubernetes.io/kube-apiserver-client-kubelet", "client auth"}
	kubeletServing = certificateUse{"kubernetes.io/kubelet-serving", "server auth"}
)

const requestsPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

// requestCertificate asks for a certificate of this node, with these addresses.
func requestCertificate(
	ctx context.Context, client *kubeClient, key *ecdsa.PrivateKey, use certificateUse,
	addresses []net.IP,
) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "system:node:" + hostName(),
			Organization: []string{"system:nodes"}},
		IPAddresses: addresses,
	}, key)
	if err != nil {
		return nil, err
	}
	var request struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Status struct {
			Certificate []byte `json:"certificate"`
		} `json:"status"`
	}
	err = client.create(ctx, requestsPath, object{
		"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
		"metadata": object{"generateName": "node-csr-"},
		"spec": object{
			"request":    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
			"signerName": use.signer,
			"usages":     []string{"digital signature", use.usage},
		},
	}, &request)
	if err != nil {
		return nil, err
	}
	for range 600 {
		if err := client.get(ctx, requestsPath+"/"+request.Metadata.Name, &request); err != nil {
			return nil, err
		}
		if len(request.Status.Certificate) > 0 {
			return request.Status.Certificate, nil
		}
		if !pause(ctx, 200*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
	return nil, errors.New("timed out waiting for the certificate of " + use.signer)
}
