package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"sync"
	"time"
)

// loadBalancerAddress is where k0s's node-local load balancer listens
// (pkg/apis/k0s/v1beta1/nllb.go).
const loadBalancerAddress = "127.0.0.1:7443"

// loadBalancer passes connections on to an API server that answers.
type loadBalancer struct {
	mutex     sync.Mutex
	addresses []string
}

func (w *worker) startLoadBalancer(
	ctx context.Context, profile workerProfile, kubeconfigPath string,
) error {
	listener, err := net.Listen("tcp", loadBalancerAddress)
	if err != nil {
		return err
	}
	balancer := &loadBalancer{addresses: profile.Addresses}
	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go balancer.pass(connection)
		}
	}()
	go w.followProfile(ctx, balancer, kubeconfigPath)
	return nil
}

// followProfile keeps the addresses up to date, also on disk.
func (w *worker) followProfile(ctx context.Context, balancer *loadBalancer, path string) {
	query := map[string][]string{"fieldSelector": {"metadata.name=" + profileName(w.profile)}}
	for pause(ctx, time.Second) {
		client, err := kubeClientFromFile(path)
		if err != nil {
			continue
		}
		_ = client.watch(ctx, configMapsPath, query, func(item json.RawMessage) bool {
			var content struct {
				Data map[string]string `json:"data"`
			}
			if json.Unmarshal(item, &content) != nil {
				return false
			}
			profile, err := w.keepProfile(content.Data)
			if err == nil && len(profile.Addresses) > 0 {
				balancer.mutex.Lock()
				balancer.addresses = profile.Addresses
				balancer.mutex.Unlock()
			}
			return false
		})
	}
}

// pass tries one address after the other. The first one that answers comes first the next time.
func (b *loadBalancer) pass(connection net.Conn) {
	defer connection.Close()
	b.mutex.Lock()
	addresses := append([]string{}, b.addresses...)
	b.mutex.Unlock()
	for _, address := range addresses {
		target, err := net.DialTimeout("tcp", address, 2*time.Second)
		if err != nil {
			b.putLast(address)
			continue
		}
		defer target.Close()
		ended := make(chan struct{}, 2)
		for _, pair := range [][2]net.Conn{{connection, target}, {target, connection}} {
			go func() {
				_, _ = io.Copy(pair[0], pair[1])
				ended <- struct{}{}
			}()
		}
		<-ended
		return
	}
}

func (b *loadBalancer) putLast(address string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for i, other := range b.addresses {
		if other == address {
			rest := append([]string{}, b.addresses[:i]...)
			b.addresses = append(append(rest, b.addresses[i+1:]...), address)
			return
		}
	}
}
