package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// kubeClient speaks the Kubernetes API. client-go would bring 100 modules for these few calls.
type kubeClient struct {
	server string
	token  string
	http   *http.Client
}

// apiError is the Status object of a failed call.
type apiError struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Message }

func isStatus(err error, code int) bool {
	var status *apiError
	return errors.As(err, &status) && status.Code == code
}

func isNotFound(err error) bool { return isStatus(err, http.StatusNotFound) }

const (
	callTimeout = 20 * time.Second
	mergePatch  = "application/merge-patch+json"
	applyPatch  = "application/apply-patch+yaml"
)

func newKubeClient(file *kubeconfig) (*kubeClient, error) {
	cluster, user := file.Clusters[0].Cluster, file.Users[0].User
	settings := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !settings.RootCAs.AppendCertsFromPEM(cluster.CertificateAuthorityData) {
		return nil, errors.New("unable to load root certificates: no valid certificate data")
	}
	if len(user.ClientCertificateData) > 0 {
		pair, err := tls.X509KeyPair(user.ClientCertificateData, user.ClientKeyData)
		if err != nil {
			return nil, err
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}
	return &kubeClient{cluster.Server, user.Token, &http.Client{Transport: transport}}, nil
}

func kubeClientFromFile(path string) (*kubeClient, error) {
	file, err := readKubeconfig(path)
	if err != nil {
		return nil, err
	}
	return newKubeClient(file)
}

func (k *kubeClient) get(ctx context.Context, path string, into any) error {
	return k.call(ctx, http.MethodGet, path, "", nil, into)
}

func (k *kubeClient) create(ctx context.Context, path string, body, into any) error {
	return k.call(ctx, http.MethodPost, path, "application/json", body, into)
}

func (k *kubeClient) update(ctx context.Context, path string, body, into any) error {
	return k.call(ctx, http.MethodPut, path, "application/json", body, into)
}

func (k *kubeClient) patch(ctx context.Context, path, kind string, body, into any) error {
	return k.call(ctx, http.MethodPatch, path, kind, body, into)
}

func (k *kubeClient) delete(ctx context.Context, path string) error {
	return k.call(ctx, http.MethodDelete, path, "", nil, nil)
}

// apply is a server-side apply, as k0s's stack applier does.
func (k *kubeClient) apply(ctx context.Context, path string, body object) error {
	return k.patch(ctx, path+"?fieldManager=k0s&force=true", applyPatch, body, nil)
}

func (k *kubeClient) call(
	ctx context.Context, method, path, kind string, body, into any,
) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := k.send(ctx, method, path, kind, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if into == nil {
		_, err := io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(into)
}

func (k *kubeClient) send(
	ctx context.Context, method, path, kind string, body any,
) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, k.server+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "k0s/"+version())
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if k.token != "" {
		request.Header.Set("Authorization", "Bearer "+k.token)
	}
	response, err := k.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		return nil, failureOf(response)
	}
	return response, nil
}

func failureOf(response *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, 64*1024))
	status := &apiError{}
	if json.Unmarshal(text, status) != nil || status.Message == "" {
		status.Message = strings.TrimSpace(string(text))
	}
	if status.Message == "" {
		status.Message = response.Status
	}
	status.Code = response.StatusCode
	return status
}

// watch calls `changed` with each object of a list, now and whenever it changes, until the context
// ends, `changed` returns true, or the connection is lost.
func (k *kubeClient) watch(
	ctx context.Context, path string, query url.Values, changed func(json.RawMessage) bool,
) error {
	return k.watchEvents(ctx, path, query, func(event string, object json.RawMessage) bool {
		return event != eventSynced && event != "DELETED" && changed(object)
	})
}

// Beside the events of the API: an object that the list has, and the end of the list.
const eventListed, eventSynced = "LISTED", "SYNCED"

// watchEvents is the same with the kind of each event.
func (k *kubeClient) watchEvents(
	ctx context.Context, path string, query url.Values,
	seen func(event string, object json.RawMessage) bool,
) error {
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	if err := k.get(ctx, path+"?"+query.Encode(), &list); err != nil {
		return err
	}
	for _, item := range list.Items {
		if seen(eventListed, item) {
			return nil
		}
	}
	if seen(eventSynced, nil) {
		return nil
	}
	from := url.Values{"watch": {"1"}, "resourceVersion": {list.Metadata.ResourceVersion}}
	for name, values := range query {
		from[name] = values
	}
	response, err := k.send(ctx, http.MethodGet, path+"?"+from.Encode(), "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	events := json.NewDecoder(response.Body)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := events.Decode(&event); err != nil {
			return err
		}
		if event.Type == "ERROR" {
			return fmt.Errorf("watch of %s ended: %s", path, event.Object)
		}
		if seen(event.Type, event.Object) {
			return nil
		}
	}
}

// pause waits, and returns false where the context ended before.
func pause(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retry repeats with doubled pauses, as the retry-go library that k0s uses.
func retry(
	ctx context.Context, attempts int, delay, longest time.Duration, action func() error,
) error {
	for attempt := 1; ; attempt++ {
		err := action()
		if err == nil || attempt == attempts {
			return err
		}
		if !pause(ctx, min(delay, longest)) {
			return errors.Join(context.Cause(ctx), err)
		}
		delay *= 2
	}
}
