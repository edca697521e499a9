package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The bodies of the join API (pkg/apis/k0s/v1beta1/controltypes.go).
type caResponse struct {
	Key   []byte `json:"key"`
	Cert  []byte `json:"cert"`
	SAKey []byte `json:"saKey"`
	SAPub []byte `json:"saPub"`
}

type etcdRequest struct {
	Node        string `json:"node"`
	PeerAddress string `json:"peerAddress"`
}

type etcdResponse struct {
	CA             caResponse `json:"ca"`
	InitialCluster []string   `json:"initialCluster"`
}

// joinServer hands the cluster's secrets to a controller with a valid token (cmd/api/api.go). In
// k0s it is a process of its own.
type joinServer struct {
	vars   *k0sVars
	client *kubeClient
	server *http.Server
}

func startJoinServer(
	vars *k0sVars, config *clusterConfig, client *kubeClient,
) (*joinServer, error) {
	pair, err := tls.LoadX509KeyPair(
		filepath.Join(vars.CertRootDir, "k0s-api.crt"),
		filepath.Join(vars.CertRootDir, "k0s-api.key"))
	if err != nil {
		return nil, err
	}
	address := ""
	if config.Spec.API.OnlyBindToAddress {
		address = config.Spec.API.Address
	}
	port := strconv.Itoa(config.Spec.API.K0sAPIPort)
	listener, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		return nil, err
	}
	j := &joinServer{vars: vars, client: client}
	handler := http.NewServeMux()
	handler.HandleFunc("GET /v1beta1/ca", j.authorized(j.ca))
	handler.HandleFunc("POST /v1beta1/etcd/members", j.authorized(j.addMember))
	j.server = &http.Server{
		Handler: handler, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	}
	go func() { _ = j.server.ServeTLS(listener, "", "") }()
	return j, nil
}

func (j *joinServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_ = j.server.Shutdown(ctx)
}

type joinHandler func(*http.Request) (any, error)

func (j *joinServer) authorized(next joinHandler) http.HandlerFunc {
	return func(writer http.ResponseWriter, request *http.Request) {
		token, ok := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
		if !ok || !j.isValid(request.Context(), token) {
			sendError(writer, errors.New("go away"), http.StatusUnauthorized)
			return
		}
		answer, err := next(request)
		if err != nil {
			sendError(writer, err, http.StatusInternalServerError)
			return
		}
		writer.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(writer).Encode(answer)
	}
}

func sendError(writer http.ResponseWriter, err error, code int) {
	logError("join", "%v", err)
	writer.Header().Set("Content-Type", "text/plain")
	writer.WriteHeader(code)
	_, _ = io.WriteString(writer, err.Error())
}

func (j *joinServer) isValid(ctx context.Context, token string) bool {
	id, key, found := strings.Cut(token, ".")
	if !found {
		return false
	}
	var stored secret
	if err := j.client.get(ctx, secretsPath+"/bootstrap-token-"+id, &stored); err != nil {
		return false
	}
	if expiration := string(stored.Data["expiration"]); expiration != "" {
		end, err := time.Parse(time.RFC3339, expiration)
		if err != nil || !time.Now().Before(end) {
			return false
		}
	}
	return string(stored.Data["token-secret"]) == key && tokenRole(stored) == roleController
}

func (j *joinServer) ca(*http.Request) (any, error) {
	var answer caResponse
	for name, target := range caFiles(&answer) {
		content, err := os.ReadFile(filepath.Join(j.vars.CertRootDir, name))
		if err != nil {
			return nil, err
		}
		*target.content = content
	}
	return answer, nil
}

type caFile struct {
	content *[]byte
	mode    os.FileMode
}

func caFiles(ca *caResponse) map[string]caFile {
	return map[string]caFile{
		"ca.key": {&ca.Key, 0o640}, "ca.crt": {&ca.Cert, 0o644},
		"sa.key": {&ca.SAKey, 0o640}, "sa.pub": {&ca.SAPub, 0o644},
	}
}

// addMember adds a learner. etcd allows one at a time, and refuses a second one.
func (j *joinServer) addMember(request *http.Request) (any, error) {
	var body etcdRequest
	if err := json.NewDecoder(request.Body).Decode(&body); err != nil {
		return nil, err
	}
	if body.Node == "" {
		return nil, errors.New("node cannot be empty")
	}
	if body.PeerAddress == "" {
		return nil, errors.New("peerAddress cannot be empty")
	}
	logInfo("join", "adding new learner member: %s", body.PeerAddress)
	client, err := newEtcdClient(j.vars)
	if err != nil {
		return nil, err
	}
	var answer etcdResponse
	answer.InitialCluster, err = client.addLearner(request.Context(), body.Node, body.PeerAddress)
	if err != nil {
		return nil, err
	}
	answer.CA.Cert, err = os.ReadFile(filepath.Join(j.vars.EtcdCertDir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	answer.CA.Key, err = os.ReadFile(filepath.Join(j.vars.EtcdCertDir, "ca.key"))
	return answer, err
}

// joinClient is the side of the controller that joins.
type joinClient struct{ kube *kubeClient }

func newJoinClient(token string) (*joinClient, error) {
	file, err := unpackToken(token, roleController)
	if err != nil {
		return nil, fmt.Errorf("failed to create join client: %w", err)
	}
	client, err := newKubeClient(file)
	if err != nil {
		return nil, fmt.Errorf("failed to create join client: %w", err)
	}
	return &joinClient{client}, nil
}

// fetchCA has the ten attempts of cmd/controller/controller.go joinController.
func (j *joinClient) fetchCA(ctx context.Context, vars *k0sVars) error {
	logInfo("join", "Joining existing cluster via %s", j.kube.server)
	var ca caResponse
	err := retry(ctx, 10, 100*time.Millisecond, time.Hour, func() error {
		return j.kube.get(ctx, "/v1beta1/ca", &ca)
	})
	if err != nil {
		return fmt.Errorf("failed to join existing cluster via %s: %w", j.kube.server, err)
	}
	for name, file := range caFiles(&ca) {
		path := filepath.Join(vars.CertRootDir, name)
		if err := writeFile(path, *file.content, file.mode); err != nil {
			return fmt.Errorf("failed to write %s: %w", path, err)
		}
	}
	return nil
}

// joinEtcd has the ten attempts of pkg/component/controller/etcd.go syncEtcdConfig: about four
// minutes. It returns etcd's --initial-cluster.
func (j *joinClient) joinEtcd(
	ctx context.Context, vars *k0sVars, config *clusterConfig,
) (string, error) {
	body := etcdRequest{Node: config.memberName(), PeerAddress: config.peerURL()}
	var answer etcdResponse
	err := retry(ctx, 10, time.Second, time.Minute, func() error {
		err := j.kube.create(ctx, "/v1beta1/etcd/members", body, &answer)
		if err != nil {
			logInfo("join", "etcd: %v", err)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("failed to sync etcd config: failed to synchronize etcd config with "+
			"existing cluster via %s: %w", j.kube.server, err)
	}
	p := pki{vars.CertRootDir}
	if !exists(p.path("etcd/ca.key")) || !exists(p.path("etcd/ca.crt")) {
		pair := keyPair{bytes.Clone(answer.CA.Cert), bytes.Clone(answer.CA.Key)}
		if err := p.write("etcd/ca", pair); err != nil {
			return "", err
		}
	}
	return strings.Join(answer.InitialCluster, ","), nil
}
