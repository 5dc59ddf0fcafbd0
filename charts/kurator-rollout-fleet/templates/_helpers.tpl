{{- define "fleet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "fleet.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains (include "fleet.name" .) .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "fleet.name" .) | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "fleet.selector" -}}
app.kubernetes.io/name: {{ include "fleet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "fleet.labels" -}}
{{ include "fleet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "fleet.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fleet.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "fleet.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* What the controller needs wherever Applications are. */}}
{{- define "fleet.rules" -}}
# Applications are read; a finalizer is put on them, so that nothing is left behind, and their status is written.
- apiGroups: [apps.kurator.dev]
  resources: [applications]
  verbs: [get, list, watch, patch]
- apiGroups: [apps.kurator.dev]
  resources: [applications/status]
  verbs: [patch]
# Fleets name their members; both are told whether they can be reached.
- apiGroups: [fleet.kurator.dev]
  resources: [fleets]
  verbs: [get, list, watch]
- apiGroups: [fleet.kurator.dev]
  resources: [fleets/status]
  verbs: [patch]
- apiGroups: [cluster.kurator.dev]
  resources: [attachedclusters, clusters]
  verbs: [get, list, watch]
- apiGroups: [cluster.kurator.dev]
  resources: [attachedclusters/status]
  verbs: [patch]
# Kubeconfigs are in Secrets: the metadata of all is watched, and those that a cluster object names are read.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
# Sources and what Flux makes of them in each member.
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [gitrepositories, helmrepositories, ocirepositories]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [kustomize.toolkit.fluxcd.io]
  resources: [kustomizations]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [helm.toolkit.fluxcd.io]
  resources: [helmreleases]
  verbs: [get, list, watch, create, patch, delete]
# A controller that may set an owner who blocks deletion needs it, where the API server checks that.
- apiGroups: [apps.kurator.dev]
  resources: [applications/finalizers]
  verbs: [update]
- apiGroups: [fleet.kurator.dev]
  resources: [fleets/finalizers]
  verbs: [update]
{{- end -}}
