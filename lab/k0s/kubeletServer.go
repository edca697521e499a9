package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// The kubelet's port, for `kubectl port-forward`. kwok answers behind it, without TLS and without
// asking who calls.
const (
	kubeletAddress = "0.0.0.0:10250"
	kwokAddress    = "127.0.0.1:10247"
)

// startKubeletServer serves as soon as it has a certificate. A node is Ready without it.
func (w *worker) startKubeletServer(ctx context.Context, kubeconfigPath string) {
	go func() {
		for {
			err := w.serveKubelet(ctx, kubeconfigPath)
			if ctx.Err() != nil {
				return
			}
			logError("kubelet", "failed to serve port-forward: %v", err)
			if !pause(ctx, 2*time.Second) {
				return
			}
		}
	}()
}

func (w *worker) serveKubelet(ctx context.Context, kubeconfigPath string) error {
	client, err := kubeClientFromFile(kubeconfigPath)
	if err != nil {
		return err
	}
	certificate, err := w.servingCertificate(ctx, client)
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(filepath.Join(w.vars.CertRootDir, "ca.crt"))
	if err != nil {
		return err
	}
	callers := x509.NewCertPool()
	if !callers.AppendCertsFromPEM(authority) {
		return errors.New("ca.crt has no certificate")
	}
	listener, err := tls.Listen("tcp", kubeletAddress, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: callers,
	})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go forward(connection, kwokAddress)
	}
}

// forward copies in both directions until one side ends.
func forward(connection net.Conn, address string) {
	defer connection.Close()
	target, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer target.Close()
	go func() {
		_, _ = io.Copy(target, connection)
		target.Close()
	}()
	_, _ = io.Copy(connection, target)
}

// servingCertificate is kept on disk: after a restart the API may be away.
func (w *worker) servingCertificate(
	ctx context.Context, client *kubeClient,
) (tls.Certificate, error) {
	address := net.ParseIP(nodeAddress(client.server))
	path := filepath.Join(w.vars.DataDir, "kubelet-serving.pem")
	if kept, err := tls.LoadX509KeyPair(path, path); err == nil {
		if leaf := kept.Leaf; leaf != nil && leaf.VerifyHostname(address.String()) == nil &&
			time.Now().Before(leaf.NotAfter) {
			return kept, nil
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	certificate, err := requestCertificate(ctx, client, key, kubeletServing, []net.IP{address})
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := writeFile(path, append(certificate, private...), 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certificate, private)
}

// approveServing approves the requests of nodes, as k0s's csr-approver does
// (pkg/component/controller/csrapprover.go), but without its checks of names.
func approveServing(ctx context.Context, client *kubeClient) {
	query := url.Values{"fieldSelector": {"spec.signerName=" + kubeletServing.signer}}
	for {
		_ = client.watch(ctx, requestsPath, query, func(content json.RawMessage) bool {
			var request struct {
				Metadata struct {
					Name string `json:"name"`
				} `json:"metadata"`
				Status struct {
					Conditions []object `json:"conditions"`
				} `json:"status"`
			}
			if json.Unmarshal(content, &request) != nil || len(request.Status.Conditions) > 0 {
				return false
			}
			path := requestsPath + "/" + request.Metadata.Name + "/approval"
			err := client.patch(ctx, path, mergePatch, object{"status": object{
				"conditions": []object{{"type": "Approved", "status": "True",
					"reason": "Autoapproved by lab", "message": "kubelet-serving"}},
			}}, nil)
			if err != nil {
				logError("csr-approver", "%v", err)
			}
			return false
		})
		if !pause(ctx, time.Second) {
			return
		}
	}
}
