{{- define "gitea.image" -}}
{{- $image := .Values.image -}}
"{{ $image.registry }}/{{ $image.repository }}:{{ $image.tag }}{{ if $image.rootless }}-rootless{{ end }}"
{{- end -}}

{{- define "gitea.labels" -}}
app: gitea
app.kubernetes.io/name: gitea
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}
