{{- define "kurator-rollout.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "kurator-rollout.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains (include "kurator-rollout.name" .) .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "kurator-rollout.name" .) | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kurator-rollout.selector" -}}
app.kubernetes.io/name: {{ include "kurator-rollout.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kurator-rollout.labels" -}}
{{ include "kurator-rollout.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "kurator-rollout.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "kurator-rollout.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "kurator-rollout.apiGroups" -}}
rollout.kurator.dev{{ if .Values.flaggerCompatibility.enabled }},flagger.app{{ end }}
{{- end -}}

{{/* What the engine needs wherever Canaries are. */}}
{{- define "kurator-rollout.rules" -}}
# Canaries and the templates that they refer to are read, and the status alone is written: the manifest belongs to its user.
- apiGroups: [rollout.kurator.dev{{ if .Values.flaggerCompatibility.enabled }}, flagger.app{{ end }}]
  resources: [canaries]
  verbs: [get, list, watch]
- apiGroups: [rollout.kurator.dev{{ if .Values.flaggerCompatibility.enabled }}, flagger.app{{ end }}]
  resources: [metrictemplates, alertproviders]
  verbs: [list, watch]
- apiGroups: [rollout.kurator.dev{{ if .Values.flaggerCompatibility.enabled }}, flagger.app{{ end }}]
  resources: [canaries/status]
  verbs: [patch]
# The primary is created, updated and deleted; the target is scaled and paused.
- apiGroups: [apps]
  resources: [deployments, daemonsets]
  verbs: [list, watch, create, patch, delete]
# Of the target's autoscaler the primary gets a copy; a ScaledObject is told to rest while the target does.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, watch, create, patch, delete]
# Revisions under analysis and promoted ones are stored and never changed, so that what was analysed is what is promoted.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [list, watch, create, delete]
# The three Services of an app: the apex is adopted or created, the other two are the engine's.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
# Restarts of a new version's pods end a run early; watched only while there is one.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# What was decided is told as events.
- apiGroups: [""]
  resources: [events]
  verbs: [create]
# Weights are VirtualServices, read once more before pods go; each backend has a DestinationRule.
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [list, watch, create, patch, delete]
# Or they are HTTPRoutes and GRPCRoutes.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes]
  verbs: [get, list, watch, create, patch, delete]
# Or they are in an Ingress or ApisixRoute that is made beside the user's, which is only read.
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apisix.apache.org]
  resources: [apisixroutes]
  verbs: [get, list, watch, create, patch, delete]
# Or they are routes of Kuma, Traefik or Contour.
- apiGroups: [kuma.io]
  resources: [meshhttproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [traefik.io]
  resources: [traefikservices]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [projectcontour.io]
  resources: [httpproxies]
  verbs: [get, list, watch, create, patch, delete]
# Knative Services are the user's: only their traffic is written, and marks.
- apiGroups: [serving.knative.dev]
  resources: [services]
  verbs: [list, watch, patch]
{{- if .Values.configTracking.enabled }}
# Asked for by configTracking.enabled: the primary reads copies of what the target reads, and old copies are removed.
- apiGroups: [""]
  resources: [configmaps{{ if .Values.configTracking.secrets }}, secrets{{ end }}]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.readSecrets }}
# Asked for by readSecrets: credentials of MetricTemplates, AlertProviders and webhooks are in Secrets.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}
{{- if .Values.readExternalMetrics }}
# Asked for by readExternalMetrics: each metric is a resource of its own, with the metric's name.
- apiGroups: [external.metrics.k8s.io]
  resources: ["*"]
  verbs: [get, list]
{{- end }}
{{- end -}}

{{- define "kurator-rollout.gatewayRules" -}}
# A Canary that names a Gateway which does not exist is refused; Gateways are only read.
- apiGroups: [networking.istio.io, gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [list, watch]
{{- end -}}

{{- define "kurator-rollout.namespaceRules" -}}
# A namespace that is being deleted is left alone; one read when an app is given back.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end -}}
