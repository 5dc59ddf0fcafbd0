#!/usr/bin/env bash
# Lints the charts and renders them with each set of values that changes their shape. Needs helm on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
chart=charts/kurator-rollout
render() { helm template rollout "$chart" -n kurator-system --kube-version 1.27.3 "$@"; }
has() { grep -q -- "$1" <<<"$2" || { echo "missing: $1"; exit 1; }; }
lacks() { ! grep -q -- "$1" <<<"$2" || { echo "unexpected: $1"; exit 1; }; }

helm lint --strict "$chart"
plain=$(render)
has 'kind: ClusterRole$' "$plain"; has 'name: canaries.rollout.kurator.dev' "$plain"; has 'helm.sh/resource-policy: keep' "$plain"; has 'kind: PodDisruptionBudget' "$plain"
lacks 'flagger.app' "$(grep -v 'finalizer\|description' <<<"$plain" | grep 'name: canaries')"; has 'resources: \[configmaps, secrets\]' "$plain"; has '--enable-config-tracking=true' "$plain"; lacks 'kind: ServiceMonitor' "$plain"
compatible=$(render --set flaggerCompatibility.enabled=true)
has 'name: canaries.flagger.app' "$compatible"; has '--api-groups=rollout.kurator.dev,flagger.app' "$compatible"
limited=$(render --set 'watchNamespaces={a,b}')
lacks 'kind: ClusterRole' "$limited"; has '--watch-namespaces=a,b' "$limited"; has 'namespace: istio-system' "$limited"
[ "$(grep -c '^kind: Role$' <<<"$limited")" -eq 4 ] || { echo "a Role for each watched namespace, for the gateways' and for the lease is wanted"; exit 1; }
watched=$(render --set serviceMonitor.enabled=true,prometheusRule.enabled=true,grafana.enabled=true)
has 'kind: ServiceMonitor' "$watched"; has 'kind: PrometheusRule' "$watched"; has 'kurator-rollout.json' "$watched"
careful=$(render --set configTracking.secrets=false,readSecrets=false)
has '--enable-config-tracking=configmaps' "$careful"; has 'resources: \[configmaps\]' "$careful"; lacks 'secrets' "$(grep 'resources:' <<<"$careful")"
lacks '--no-cross-namespace-refs' "$plain"; lacks '--forbid-link-local-webhooks' "$plain"
shared=$(render --set noCrossNamespaceRefs=true,forbidLinkLocalWebhooks=true)
has '--no-cross-namespace-refs=true' "$shared"; has '--forbid-link-local-webhooks=true' "$shared"
lacks 'external.metrics.k8s.io' "$careful"; has 'external.metrics.k8s.io' "$(render --set readExternalMetrics=true)"
untracked=$(render --set configTracking.enabled=false)
has '--enable-config-tracking=false' "$untracked"; has 'resources: \[secrets\]' "$untracked"
lacks 'kind: CustomResourceDefinition' "$(render --set crds.install=false)"
has 'kind: Deployment' "$(render --set replicaCount=1,podDisruptionBudget.enabled=false,networkPolicy.enabled=false,fullnameOverride=engine)"
for wrong in replicaCount=-1 metricsServer=prometheus meshProvider=osm 'watchNamespaces={A_B}' nonsense=1; do
  if render --set "$wrong" >/dev/null 2>&1; then echo "the values schema lets $wrong through"; exit 1; fi
done
tester=charts/loadtester
render() { helm template tests "$tester" -n testing --kube-version 1.27.3 "$@"; }
helm lint --strict "$tester"
plain=$(render)
has 'kind: Deployment' "$plain"; has 'targetPort: http' "$plain"; has '  name: tests-loadtester$' "$plain"; has 'readOnlyRootFilesystem: true' "$plain"; has 'automountServiceAccountToken: false' "$plain"; has '--state-dir=' "$plain"
lacks 'kind: Secret' "$plain"; lacks '--token-file' "$plain"; lacks 'kind: PersistentVolumeClaim' "$plain"; lacks 'kind: NetworkPolicy' "$plain"; lacks '--namespace-regexp' "$plain"
guarded=$(render --set token.create=true)
has 'kind: Secret' "$guarded"; has '--token-file=/etc/loadtester/token' "$guarded"; has 'secretName: tests-loadtester-token' "$guarded"
given=$(render --set token.create=true,token.existingSecret=mine,token.key=bearer)
lacks 'kind: Secret' "$given"; has 'secretName: mine' "$given"; has 'key: bearer' "$given"
lasting=$(render --set persistence.enabled=true)
has 'kind: PersistentVolumeClaim' "$lasting"; has 'claimName: tests-loadtester' "$lasting"
claimed=$(render --set persistence.enabled=true,persistence.existingClaim=gates)
lacks 'kind: PersistentVolumeClaim' "$claimed"; has 'claimName: gates' "$claimed"
closed=$(render --set networkPolicy.enabled=true,'networkPolicy.from[0].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name=kurator-system')
has 'kind: NetworkPolicy' "$closed"; has 'kubernetes.io/metadata.name: kurator-system' "$closed"
has '"--namespace-regexp=^(a|b)\$"' "$(render --set-string 'namespaceRegexp=^(a|b)$')"
for wrong in concurrency=0 timeout=soon persistence.size=big networkPolicy.from=all nonsense=1; do
  if render --set "$wrong" >/dev/null 2>&1; then echo "the load tester's values schema lets $wrong through"; exit 1; fi
done
fleet=charts/kurator-rollout-fleet
render() { helm template fleet "$fleet" -n kurator-system --kube-version 1.27.3 "$@"; }
helm lint --strict "$fleet"
plain=$(render)
has '  name: fleet-kurator-rollout-fleet$' "$plain"; has 'name: applications.apps.kurator.dev' "$plain"; has 'name: fleets.fleet.kurator.dev' "$plain"; has 'name: attachedclusters.cluster.kurator.dev' "$plain"; has 'helm.sh/resource-policy: keep' "$plain"
has '--load-tester-image=kurator-rollout:0.1.0' "$plain"; has 'name: fleet-kurator-rollout-fleet-member$' "$plain"; has 'kind: PodDisruptionBudget' "$plain"; lacks '--watch-namespaces' "$plain"; lacks '--chart-repository' "$plain"
limited=$(render --set 'watchNamespaces={a,b}',hostCluster.enabled=false)
lacks 'kind: ClusterRole' "$limited"; has '--watch-namespaces=a,b' "$limited"
[ "$(grep -c '^kind: Role$' <<<"$limited")" -eq 3 ] || { echo "a Role for each watched namespace and for the lease is wanted"; exit 1; }
delivering=$(render --set 'watchNamespaces={a,b}')
[ "$(grep -c '^kind: ClusterRole$' <<<"$delivering")" -eq 1 ] || { echo "with watched namespaces the only ClusterRole wanted is that of a member"; exit 1; }
lacks 'secrets' "$(sed '/^kind: ClusterRole$/,/^---$/!d' <<<"$delivering")"
has '--chart-repository=oci://charts.example.com' "$(render --set chartRepository=oci://charts.example.com)"
has 'kind: ServiceMonitor' "$(render --set serviceMonitor.enabled=true)"
lacks 'kind: CustomResourceDefinition' "$(render --set crds.install=false)"
for wrong in replicaCount=-1 chartRepository=here 'watchNamespaces={A_B}' hostCluster.enabled=maybe nonsense=1; do
  if render --set "$wrong" >/dev/null 2>&1; then echo "the fleet's values schema lets $wrong through"; exit 1; fi
done
echo "charts: ok"
