package main

import (
	"path/filepath"
	"strconv"
	"time"
)

// The arguments with which k0s starts its programs (pkg/component/controller/etcd.go, apiserver.go,
// controllermanager.go, scheduler.go), without the lists of cipher suites.

// apiStopDefault is the limit that k0s has for any usual configuration.
const apiStopDefault = 20 * time.Second

func etcdArgs(vars *k0sVars, config *clusterConfig, initialCluster string) []string {
	certificate := func(name string) string { return filepath.Join(vars.EtcdCertDir, name) }
	peerURL := config.peerURL()
	flags := map[string]string{
		"data-dir":                    vars.EtcdDataDir,
		"listen-client-urls":          "https://127.0.0.1:2379",
		"advertise-client-urls":       "https://127.0.0.1:2379",
		"client-cert-auth":            "true",
		"listen-peer-urls":            peerURL,
		"initial-advertise-peer-urls": peerURL,
		"name":                        hostName(),
		"tls-min-version":             "TLS1.2",
		"trusted-ca-file":             certificate("ca.crt"),
		"cert-file":                   certificate("server.crt"),
		"key-file":                    certificate("server.key"),
		"peer-trusted-ca-file":        certificate("ca.crt"),
		"peer-key-file":               certificate("peer.key"),
		"peer-cert-file":              certificate("peer.crt"),
		"peer-client-cert-auth":       "true",
		"log-level":                   "info",
		"enable-pprof":                "false",
		"auth-token": "jwt,pub-key=" + certificate("jwt.pub") + ",priv-key=" +
			certificate("jwt.key") + ",sign-method=RS512,ttl=10m",
	}
	if initialCluster != "" {
		flags["initial-cluster"] = initialCluster
		flags["initial-cluster-state"] = "existing"
	}
	return flagList(flags, config.Spec.Storage.Etcd.ExtraArgs)
}

func apiServerArgs(vars *k0sVars, config *clusterConfig, grace time.Duration) []string {
	file := func(name string) string { return filepath.Join(vars.CertRootDir, name) }
	ca, certificate, key := etcdClientFiles(vars)
	flags := map[string]string{
		"advertise-address":                       config.Spec.API.Address,
		"secure-port":                             strconv.Itoa(config.Spec.API.Port),
		"authorization-mode":                      "Node,RBAC",
		"client-ca-file":                          file("ca.crt"),
		"enable-bootstrap-token-auth":             "true",
		"kubelet-client-certificate":              file("apiserver-kubelet-client.crt"),
		"kubelet-client-key":                      file("apiserver-kubelet-client.key"),
		"kubelet-certificate-authority":           file("ca.crt"),
		"kubelet-preferred-address-types":         "InternalIP,ExternalIP,Hostname",
		"proxy-client-cert-file":                  file("front-proxy-client.crt"),
		"proxy-client-key-file":                   file("front-proxy-client.key"),
		"requestheader-allowed-names":             "front-proxy-client",
		"requestheader-client-ca-file":            file("front-proxy-ca.crt"),
		"requestheader-extra-headers-prefix":      "X-Remote-Extra-",
		"requestheader-group-headers":             "X-Remote-Group",
		"requestheader-username-headers":          "X-Remote-User",
		"service-account-key-file":                file("sa.pub"),
		"service-account-signing-key-file":        file("sa.key"),
		"service-account-issuer":                  "https://kubernetes.default.svc",
		"service-account-jwks-uri":                "https://kubernetes.default.svc/openid/v1/jwks",
		"service-cluster-ip-range":                config.Spec.Network.ServiceCIDR,
		"api-audiences":                           "https://kubernetes.default.svc",
		"tls-min-version":                         "VersionTLS12",
		"tls-cert-file":                           file("server.crt"),
		"tls-private-key-file":                    file("server.key"),
		"profiling":                               "false",
		"v":                                       "1",
		"enable-admission-plugins":                "NodeRestriction",
		"allow-privileged":                        "true",
		"anonymous-auth":                          "false",
		"shutdown-watch-termination-grace-period": max(0, grace-2*time.Second).String(),
		"etcd-servers":                            "https://127.0.0.1:2379",
		"etcd-cafile":                             ca,
		"etcd-certfile":                           certificate,
		"etcd-keyfile":                            key,
	}
	if config.Spec.API.OnlyBindToAddress {
		flags["bind-address"] = config.Spec.API.Address
	}
	return flagList(flags, config.Spec.API.ExtraArgs)
}

func controllerManagerArgs(vars *k0sVars, config *clusterConfig) []string {
	file := func(name string) string { return filepath.Join(vars.CertRootDir, name) }
	return flagList(map[string]string{
		"authentication-kubeconfig":        file("ccm.conf"),
		"authorization-kubeconfig":         file("ccm.conf"),
		"kubeconfig":                       file("ccm.conf"),
		"client-ca-file":                   file("ca.crt"),
		"cluster-signing-cert-file":        file("ca.crt"),
		"cluster-signing-key-file":         file("ca.key"),
		"requestheader-client-ca-file":     file("front-proxy-ca.crt"),
		"root-ca-file":                     file("ca.crt"),
		"service-account-private-key-file": file("sa.key"),
		"cluster-cidr":                     config.Spec.Network.PodCIDR,
		"service-cluster-ip-range":         config.Spec.Network.ServiceCIDR,
		"node-cidr-mask-size":              "24",
		"allocate-node-cidrs":              "true",
		"bind-address":                     "127.0.0.1",
		"cluster-name":                     "k0s",
		"controllers":                      "*,bootstrapsigner,tokencleaner",
		"leader-elect":                     "true",
		"use-service-account-credentials":  "true",
		"profiling":                        "false",
		"terminated-pod-gc-threshold":      "12500",
		"v":                                "1",
	}, config.Spec.ControllerManager.ExtraArgs)
}

func schedulerArgs(vars *k0sVars, config *clusterConfig) []string {
	kubeconfig := filepath.Join(vars.CertRootDir, "scheduler.conf")
	return flagList(map[string]string{
		"authentication-kubeconfig": kubeconfig,
		"authorization-kubeconfig":  kubeconfig,
		"kubeconfig":                kubeconfig,
		"bind-address":              "127.0.0.1",
		"leader-elect":              "true",
		"profiling":                 "false",
		"v":                         "1",
	}, config.Spec.Scheduler.ExtraArgs)
}
