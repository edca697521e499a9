package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// etcdClient speaks etcd's JSON gateway, which has the same calls and errors as gRPC.
type etcdClient struct{ http *http.Client }

type etcdMember struct {
	ID        string   `json:"ID"`
	Name      string   `json:"name"`
	PeerURLs  []string `json:"peerURLs"`
	IsLearner bool     `json:"isLearner"`
}

const etcdAddress = "https://127.0.0.1:2379/v3/"

func newEtcdClient(vars *k0sVars) (*etcdClient, error) {
	caFile, certificateFile, keyFile := etcdClientFiles(vars)
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	settings := &tls.Config{
		RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
	}
	transport := &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}
	return &etcdClient{&http.Client{Transport: transport}}, nil
}

func (e *etcdClient) call(ctx context.Context, path string, body object, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(
		ctx, http.MethodPost, etcdAddress+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := e.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var failure struct {
			Message string `json:"message"`
		}
		content, _ := io.ReadAll(response.Body)
		if json.Unmarshal(content, &failure) != nil || failure.Message == "" {
			return fmt.Errorf("etcd: %s: %s", response.Status, content)
		}
		return errors.New(failure.Message)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

func (e *etcdClient) members(ctx context.Context) ([]etcdMember, error) {
	var answer struct {
		Members []etcdMember `json:"members"`
	}
	body := object{"linearizable": true}
	if err := e.call(ctx, "cluster/member/list", body, &answer); err != nil {
		return nil, fmt.Errorf("etcd member list failed: %w", err)
	}
	return answer.Members, nil
}

// addLearner returns the members as etcd's --initial-cluster wants them.
func (e *etcdClient) addLearner(ctx context.Context, name, peerURL string) ([]string, error) {
	var answer struct {
		Member  etcdMember   `json:"member"`
		Members []etcdMember `json:"members"`
	}
	body := object{"peerURLs": []string{peerURL}, "isLearner": true}
	if err := e.call(ctx, "cluster/member/add", body, &answer); err != nil {
		return nil, fmt.Errorf("etcd member add as learner failed: %w", err)
	}
	var cluster []string
	for _, member := range answer.Members {
		if member.ID == answer.Member.ID {
			member.Name = name
		}
		cluster = append(cluster, member.Name+"="+member.PeerURLs[0])
	}
	return cluster, nil
}

func (e *etcdClient) promote(ctx context.Context, id string) error {
	return e.call(ctx, "cluster/member/promote", object{"ID": id}, &object{})
}

func (e *etcdClient) remove(ctx context.Context, id string) error {
	return e.call(ctx, "cluster/member/remove", object{"ID": id}, &object{})
}

// ownID is the decimal id of the member that answers.
func (e *etcdClient) ownID(ctx context.Context) (string, error) {
	var answer struct {
		Header struct {
			MemberID string `json:"member_id"`
		} `json:"header"`
	}
	err := e.call(ctx, "maintenance/status", object{}, &answer)
	return answer.Header.MemberID, err
}

// healthy makes a linearizable read, which a learner does not serve.
func (e *etcdClient) healthy(ctx context.Context) error {
	return e.call(ctx, "kv/range", object{"key": "aGVhbHRo"}, &object{})
}

func etcdIsReady(vars *k0sVars) error {
	client, err := newEtcdClient(vars)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return client.healthy(ctx)
}

// EtcdMember objects have the id in hexadecimal, the gateway has it in decimal.
func hexadecimal(id string) (string, error) {
	number, err := strconv.ParseUint(id, 10, 64)
	return strconv.FormatUint(number, 16), err
}

func decimal(id string) (string, error) {
	number, err := strconv.ParseUint(id, 16, 64)
	return strconv.FormatUint(number, 10), err
}

// runMemberList has no ids, no learners' mark and no health, and members that have not started
// share the empty name (cmd/etcd/list.go).
func runMemberList(ctx context.Context, args []string) error {
	var common commonFlags
	if _, err := parseFlags("etcd member-list", args, 0, common.add); err != nil {
		return err
	}
	vars, _, err := commandConfig(common)
	if err != nil {
		return err
	}
	client, err := newEtcdClient(vars)
	if err != nil {
		return fmt.Errorf("can't list etcd cluster members: %w", err)
	}
	members, err := client.members(ctx)
	if err != nil {
		return fmt.Errorf("can't list etcd cluster members: %w", err)
	}
	list := map[string]string{}
	for _, member := range members {
		list[member.Name] = member.PeerURLs[0]
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"members": list})
}

// runEtcdLeave removes a member without asking it (cmd/etcd/leave.go).
func runEtcdLeave(ctx context.Context, args []string) error {
	var common commonFlags
	var peer string
	if _, err := parseFlags("etcd leave", args, 0, func(flags *flag.FlagSet) {
		common.add(flags)
		flags.StringVar(&peer, "peer-address", "", "")
	}); err != nil {
		return err
	}
	vars, config, err := commandConfig(common)
	if err != nil {
		return err
	}
	if peer == "" {
		peer = config.Spec.Storage.Etcd.PeerAddress
	}
	peerURL := "https://" + net.JoinHostPort(peer, "2380")
	client, err := newEtcdClient(vars)
	if err != nil {
		return fmt.Errorf("can't connect to the etcd: %w", err)
	}
	members, err := client.members(ctx)
	if err != nil {
		return err
	}
	for _, member := range members {
		if member.PeerURLs[0] == peerURL {
			if err := client.remove(ctx, member.ID); err != nil {
				logError("etcd", "Failed to delete node from cluster")
				return err
			}
			logInfo("etcd", "Successfully deleted")
			return nil
		}
	}
	logError("etcd", "Failed to get peer name")
	return fmt.Errorf("peer not found: %s", peerURL)
}
