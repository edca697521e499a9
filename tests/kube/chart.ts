/** A chart with a ConfigMap, a Secret and a Deployment, and faults on demand. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const CHART = (version: string): string => `apiVersion: v2
name: demo
version: ${version}
`;

const SCHEMA = {
  type: "object",
  properties: { greeting: { type: "string", pattern: "^[a-z ]*$" } },
};

const VALUES = `greeting: hello
password: ""
replicas: 1
`;

const OBJECTS = `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: {{ .Values.greeting | quote }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
data:
  password: {{ .Values.password | b64enc | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: { app: {{ .Release.Name }} }
  template:
    metadata:
      labels: { app: {{ .Release.Name }} }
    spec:
      containers:
      - name: main
        image: example.com/demo:{{ .Chart.Version }}
`;

/** Server-side apply refuses it, after Helm has made its record. */
const REFUSED = `{{- if .Values.refused }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Values.refused }}
{{- end }}
`;

/** Nothing runs Jobs here, so it never ends. */
const HOOK = `{{- if .Values.hook }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hook
  annotations: { helm.sh/hook: "pre-install,pre-upgrade" }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: main, image: example.com/hook }]
{{- end }}
`;

const UNKNOWN_KIND = `{{- if .Values.unknownKind }}
apiVersion: example.com/v1
kind: Unknown
metadata:
  name: unknown
{{- end }}
`;

/** Returns its directory. */
export function makeChart(parent: string, version: string): string {
  const path = join(parent, `demo-${version}`);
  mkdirSync(join(path, "templates"), { recursive: true });
  writeFileSync(join(path, "Chart.yaml"), CHART(version));
  writeFileSync(join(path, "values.yaml"), VALUES);
  writeFileSync(join(path, "values.schema.json"), JSON.stringify(SCHEMA));
  const templates = { objects: OBJECTS, refused: REFUSED, hook: HOOK, unknown: UNKNOWN_KIND };
  for (const [name, text] of Object.entries(templates)) {
    writeFileSync(join(path, "templates", `${name}.yaml`), text);
  }
  return path;
}

/** A program that notes its arguments and its environment, and becomes `helm`. Returns its path. */
export function notingHelm(directory: string, helm: string): { program: string; notes: string } {
  const program = join(directory, "helm");
  const notes = join(directory, "notes");
  const script = `#!/bin/sh
{ printf '%s\\n' "helm $*"; env; } >>'${notes}'
exec '${helm}' "$@"
`;
  writeFileSync(notes, "");
  writeFileSync(program, script, { mode: 0o755 });
  return { program, notes };
}
