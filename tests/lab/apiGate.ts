/** Stops a run at one of the provider's requests that change something in the cluster. */
import { Gate, NEVER } from "./kill";
import { lab, on, until } from "./lab";

const ADDRESS: Readonly<Record<string, string>> = { hv1: "198.18.0.11", hv2: "198.18.0.12" };
const PORT = 8443;
const DIRECTORY = "/run/api-gate";
const WEBHOOK = "validatingwebhookconfiguration/gate";

/** An admission webhook that allows every request, by the files of `Gate`. */
const SERVER = `
import http.server, json, os, ssl, time
def read(name):
    with open('/run/gate/' + name) as file:
        return file.read()
def stop(line):
    try:
        text, number = read('text').strip(), int(read('stop-at'))
    except FileNotFoundError:
        return
    if text not in line:
        return
    with open('/run/gate/passed', 'a') as file:
        file.write('x\\n')
    if read('passed').count('x') == number:
        open('/run/gate/reached', 'w').close()
        while os.path.exists('/run/gate/reached'):
            time.sleep(0.05)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers['Content-Length'])))['request']
        kind = request['resource']['resource'] + ('/' + request.get('subResource', '')).rstrip('/')
        stop('%s %s %s' % (request['operation'], kind, request.get('name', '')))
        answer = json.dumps({'apiVersion': 'admission.k8s.io/v1', 'kind': 'AdmissionReview',
            'response': {'uid': request['uid'], 'allowed': True}}).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('${DIRECTORY}/cert', '${DIRECTORY}/key')
server = http.server.ThreadingHTTPServer(('0.0.0.0', ${PORT}), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`;

/**
 * `host`: the hypervisor on which the requests wait. A line is `UPDATE nodes w1`,
 * `DELETE etcdmembers c2`, `CREATE pods/eviction web-1`.
 */
export class ApiGate extends Gate {
  /** `controller`: where kubectl runs. */
  constructor(
    host: string,
    private readonly controller: string,
  ) {
    super(host);
  }

  override async install(): Promise<void> {
    const address = ADDRESS[this.host] ?? "";
    const certificate = await on(
      this.host,
      `systemctl stop api-gate 2>/dev/null; rm -rf /run/gate; mkdir -p ${DIRECTORY}; ` +
        `cd ${DIRECTORY} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 ` +
        `-nodes -keyout key -out cert -days 2 -subj /CN=gate ` +
        `-addext subjectAltName=IP:${address} 2>/dev/null && base64 -w 0 cert`,
    );
    await put(this.host, `${DIRECTORY}/server.py`, SERVER);
    await on(this.host, `systemd-run -q --collect -u api-gate python3 ${DIRECTORY}/server.py`);
    const webhook = webhookOf(`https://${address}:${PORT}/`, certificate);
    await put(this.controller, "/run/gate.json", JSON.stringify(webhook));
    await on(this.controller, "k0s kubectl apply -f /run/gate.json");
    await this.awaitCalls();
  }

  /** The API server uses a new webhook some time after it exists. */
  private async awaitCalls(): Promise<void> {
    await this.stopAt(NEVER);
    const probe =
      "k0s kubectl create configmap probe --dry-run=server --as=pulumi-microvm " +
      "--as-group=system:masters";
    await until("the gate's webhook is called", 60, async () => {
      await on(this.controller, probe);
      return (await this.passed()) > 0 ? true : undefined;
    });
    await this.open();
  }

  override async remove(): Promise<void> {
    await on(this.controller, `k0s kubectl delete --ignore-not-found ${WEBHOOK}`);
    await on(this.host, `systemctl stop api-gate; rm -rf /run/gate ${DIRECTORY}`);
  }
}

async function put(machine: string, path: string, text: string): Promise<void> {
  const { code, text: said } = await lab(["ssh", machine, `cat >${path}`], text);
  if (code !== 0) throw new Error(said);
}

/** Only for the provider's identity. Requests go on if the gate does not answer. */
function webhookOf(url: string, caBundle: string): object {
  const all = { apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"] };
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: "gate" },
    webhooks: [
      {
        name: "gate.example.org",
        clientConfig: { url, caBundle },
        rules: [all],
        matchConditions: [
          { name: "provider", expression: "request.userInfo.username == 'pulumi-microvm'" },
        ],
        failurePolicy: "Ignore",
        sideEffects: "None",
        timeoutSeconds: 30,
        admissionReviewVersions: ["v1"],
      },
    ],
  };
}
