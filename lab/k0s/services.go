package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
)

// In place of kube-proxy and CoreDNS: an HTTP proxy by which the programs of pods reach Services by
// name. Everything else it connects directly.

var serviceName = regexp.MustCompile(`^([^.]+)\.([^.]+)\.svc(\.cluster\.local)?\.?$`)

// startServiceProxy returns the proxy's URL. It ends with the context.
func startServiceProxy(ctx context.Context, client *kubeClient) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	dialer := &net.Dialer{}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			target, err := endpointOf(ctx, client, address)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, target)
		},
		// An endpoint may be another pod a moment later.
		DisableKeepAlives: true,
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(request *httputil.ProxyRequest) { request.Out.Host = request.In.Host },
		Transport:     transport,
		FlushInterval: -1,
		ErrorHandler: func(writer http.ResponseWriter, request *http.Request, err error) {
			http.Error(writer, "lab: "+err.Error(), http.StatusBadGateway)
		},
	}
	server := &http.Server{Handler: proxy}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return "http://" + listener.Addr().String(), nil
}

// endpointOf is the address of a ready pod of the Service that `address` names. An address that
// names no Service stays as it is.
func endpointOf(ctx context.Context, client *kubeClient, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	names := serviceName.FindStringSubmatch(host)
	if names == nil {
		return address, nil
	}
	name, namespace := names[1], names[2]
	portName, err := portNameOf(ctx, client, namespace, name, port)
	if err != nil {
		return "", err
	}
	var slices struct {
		Items []struct {
			Ports []struct {
				Name string `json:"name"`
				Port int    `json:"port"`
			} `json:"ports"`
			Endpoints []struct {
				Addresses  []string `json:"addresses"`
				Conditions struct {
					Ready *bool `json:"ready"`
				} `json:"conditions"`
			} `json:"endpoints"`
		} `json:"items"`
	}
	query := url.Values{"labelSelector": {"kubernetes.io/service-name=" + name}}
	path := "/apis/discovery.k8s.io/v1/namespaces/" + namespace + "/endpointslices?"
	if err := client.get(ctx, path+query.Encode(), &slices); err != nil {
		return "", err
	}
	for _, slice := range slices.Items {
		for _, target := range slice.Ports {
			for _, endpoint := range slice.Endpoints {
				ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
				if target.Name == portName && ready && len(endpoint.Addresses) > 0 {
					return net.JoinHostPort(endpoint.Addresses[0], strconv.Itoa(target.Port)), nil
				}
			}
		}
	}
	return "", fmt.Errorf("service %s/%s has no ready endpoint", namespace, name)
}

func portNameOf(
	ctx context.Context, client *kubeClient, namespace, name, port string,
) (string, error) {
	var service struct {
		Spec struct {
			Ports []struct {
				Name string `json:"name"`
				Port int    `json:"port"`
			} `json:"ports"`
		} `json:"spec"`
	}
	path := "/api/v1/namespaces/" + namespace + "/services/" + name
	if err := client.get(ctx, path, &service); err != nil {
		return "", err
	}
	for _, candidate := range service.Spec.Ports {
		if strconv.Itoa(candidate.Port) == port {
			return candidate.Name, nil
		}
	}
	return "", fmt.Errorf("service %s/%s has no port %s", namespace, name, port)
}
