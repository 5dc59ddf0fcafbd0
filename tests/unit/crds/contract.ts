// Every field that a Canary of flagger.app may have, as users' manifests have them: none may be missing from our CRDs.

const under = (path: string, fields: string): string[] => fields.split(" ").map((field) => `${path}${field}`);

export const SPEC_FIELDS: readonly string[] = [
  ...under("", "provider metricsServer targetRef autoscalerRef ingressRef routeRef upstreamRef service analysis"),
  ...under("", "progressDeadlineSeconds skipAnalysis revertOnDeletion suspend"),
  ...["targetRef", "autoscalerRef", "ingressRef", "routeRef", "upstreamRef"].flatMap((reference) => under(`${reference}.`, "apiVersion kind name")),
  ...under("autoscalerRef.", "primaryScalerQueries.* primaryScalerReplicas.minReplicas primaryScalerReplicas.maxReplicas"),
  "upstreamRef.namespace",
  ...under("service.", "name port portName targetPort appProtocol trafficDistribution portDiscovery headless timeout backendTimeout gateways[]"),
  ...under("service.", "hosts[] delegation trafficPolicy match[] rewrite retries headers mirror[] corsPolicy meshName backends[]"),
  ...under("service.gatewayRefs[].", "group kind namespace name sectionName port"),
  ...under("service.trafficPolicy.", "connectionPool loadBalancer outlierDetection tls"),
  ...under("service.match[].", "uri scheme method authority port gateways[] sourceLabels.* sourceNamespace ignoreUriCase name"),
  ...["uri", "scheme", "method", "authority", "headers.*", "queryParams.*", "withoutHeaders.*"].flatMap((field) =>
    under(`service.match[].${field}.`, "exact prefix regex"),
  ),
  ...under("service.rewrite.", "uri authority type"),
  ...under("service.retries.", "attempts perTryTimeout retryOn"),
  ...["request", "response"].flatMap((way) => under(`service.headers.${way}.`, "add.* set.* remove[]")),
  ...under("service.mirror[].backendRef.", "group kind name namespace port"),
  ...under("service.corsPolicy.", "allowOrigin[] allowOrigins[].exact allowMethods[] allowHeaders[] exposeHeaders[] maxAge allowCredentials"),
  ...["apex", "primary", "canary"].flatMap((role) => under(`service.${role}.`, "labels.* annotations.*")),
  ...under("service.unmanagedMetadata.", "labels[] annotations[]"),
  ...under("analysis.", "interval threshold iterations maxWeight stepWeight stepWeights[] stepWeightPromotion mirror mirrorWeight"),
  ...under("analysis.", "primaryReadyThreshold canaryReadyThreshold"),
  ...under("analysis.match[].headers.*.", "exact prefix suffix regex"),
  ...under("analysis.match[].", "queryParams.* sourceLabels.*"),
  ...under("analysis.metrics[].", "name interval threshold thresholdRange.min thresholdRange.max query templateRef.name templateRef.namespace templateVariables.*"),
  ...under("analysis.alerts[].", "name severity providerRef.name providerRef.namespace"),
  ...under("analysis.webhooks[].", "name url type muteAlert timeout retries disableTLS metadata.*"),
  ...under("analysis.sessionAffinity.", "cookieName primaryCookieName domain httpOnly maxAge partitioned path sameSite secure"),
];

export const STATUS_FIELDS: readonly string[] = [
  ...under("", "phase failedChecks canaryWeight iterations lastAppliedSpec lastPromotedSpec trackedConfigs.* lastTransitionTime"),
  ...under("", "sessionAffinityCookie primarySessionAffinityCookie previousSessionAffinityCookie"),
  ...under("conditions[].", "type status reason message lastTransitionTime lastUpdateTime"),
];

/** What this engine has beyond them in both groups. */
export const ADDED_FIELDS: readonly string[] = [
  "drainSeconds",
  "outsideWindows",
  "windows",
  "windows[].schedule",
  "windows[].duration",
  "windows[].timeZone",
  ...under("analysis.", "onNoData onProviderError maxHold minRequests"),
  ...under("analysis.metrics[].", "onNoData onProviderError"),
];

/** And in its own group alone. */
export const OWN_FIELDS: readonly string[] = ["analysis.metrics[].reporter", "analysis.webhooks[].headers", "analysis.webhooks[].secretRef", "analysis.webhooks[].secretRef.name"];
