package main

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
)

// createCertificates makes what cmd/controller/certificates.go and the etcd component of k0s make:
// the CAs where they are missing, and everything else anew.
func createCertificates(vars *k0sVars, config *clusterConfig) error {
	p := pki{vars.CertRootDir}
	for name, commonName := range map[string]string{
		"ca":             "kubernetes-ca",
		"front-proxy-ca": "kubernetes-front-proxy-ca",
	} {
		if err := p.ensureCA(name, commonName); err != nil {
			return err
		}
	}
	if err := p.ensureKeyPair("sa"); err != nil {
		return err
	}
	hosts, err := apiHosts(config)
	if err != nil {
		return err
	}
	const manager, scheduler = "system:kube-controller-manager", "system:kube-scheduler"
	kubelet, proxy := "apiserver-kubelet-client", "front-proxy-client"
	pairs, err := p.createAll([]request{
		{name: "admin", commonName: "kubernetes-admin", organization: "system:masters", ca: "ca"},
		{name: "ccm", commonName: manager, organization: manager, ca: "ca"},
		{name: "scheduler", commonName: scheduler, organization: scheduler, ca: "ca"},
		{name: kubelet, commonName: kubelet, organization: "system:masters", ca: "ca"},
		{name: proxy, commonName: proxy, organization: proxy, ca: "front-proxy-ca"},
		{name: "server", commonName: "kubernetes", organization: "kubernetes", ca: "ca",
			hosts: hosts},
		{name: "k0s-api", commonName: "k0s-api", organization: "kubernetes", ca: "ca",
			hosts: hosts},
	})
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(p.path("ca.crt"))
	if err != nil {
		return err
	}
	for _, name := range []string{"admin", "ccm", "scheduler"} {
		pair := pairs[name]
		file := newKubeconfig("local", "Default", "user", config.localURL(), ca, kubeUser{
			ClientCertificateData: pair.certificate,
			ClientKeyData:         pair.key,
		})
		if err := writeFile(p.path(name+".conf"), file.encode(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// createEtcdCertificates runs after a join has brought the CA of etcd.
func createEtcdCertificates(vars *k0sVars, config *clusterConfig) error {
	p := pki{vars.CertRootDir}
	if err := p.ensureCA("etcd/ca", "etcd-ca"); err != nil {
		return err
	}
	if err := p.ensureKeyPair("etcd/jwt"); err != nil {
		return err
	}
	local := []string{"127.0.0.1", "localhost"}
	peer := config.Spec.Storage.Etcd.PeerAddress
	client := "apiserver-etcd-client"
	_, err := p.createAll([]request{
		{name: client, commonName: client, organization: client, ca: "etcd/ca", hosts: local},
		{name: "etcd/server", commonName: "etcd-server", organization: "etcd-server",
			ca: "etcd/ca", hosts: local},
		{name: "etcd/peer", commonName: peer, organization: "etcd-peer", ca: "etcd/ca",
			hosts: []string{peer}},
	})
	return err
}

// apiHosts are the names and addresses in the certificate of the API server.
func apiHosts(config *clusterConfig) ([]string, error) {
	domain := config.Spec.Network.ClusterDomain
	hosts := []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc." + domain, "localhost", "127.0.0.1", config.Spec.API.Address,
	}
	if external := config.Spec.API.ExternalAddress; external != "" {
		if host, _, err := net.SplitHostPort(external); err == nil {
			external = host
		}
		hosts = append(hosts, external)
	}
	hosts = append(hosts, config.Spec.API.SANs...)
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok {
			hosts = append(hosts, network.IP.String())
		}
	}
	_, services, err := net.ParseCIDR(config.Spec.Network.ServiceCIDR)
	if err != nil {
		return nil, err
	}
	if first := services.IP.To4(); first != nil {
		first = append(net.IP{}, first...)
		binary.BigEndian.PutUint32(first, binary.BigEndian.Uint32(first)+1)
		hosts = append(hosts, first.String())
	}
	return unique(hosts), nil
}

func unique(values []string) []string {
	seen := map[string]bool{}
	var result []string
	for _, value := range values {
		if value != "" && !seen[value] {
			seen[value] = true
			result = append(result, value)
		}
	}
	return result
}

func etcdClientFiles(vars *k0sVars) (ca, certificate, key string) {
	return filepath.Join(vars.EtcdCertDir, "ca.crt"),
		filepath.Join(vars.CertRootDir, "apiserver-etcd-client.crt"),
		filepath.Join(vars.CertRootDir, "apiserver-etcd-client.key")
}
