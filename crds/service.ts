// What may spec.service say: the three Services, and what is handed on to the mesh or gateway that leads to them.
// No defaults here but those that the contract puts into the schema.
import { z } from "zod";
import { listOf, meshDuration, open, patterned, ruled, stringMatch, strictly, texts, whole, type Dialect } from "./dialect.ts";

const meta = (what: string) =>
  z.object({ labels: texts.optional(), annotations: texts.optional() }).describe(`Labels and annotations of ${what}`);

const headerOperations = z.object({
  add: texts.optional(),
  set: texts.optional(),
  remove: z.array(z.string()).optional(),
});

function port(dialect: Dialect) {
  return dialect === "own" ? z.int().min(1).max(65_535).meta({ format: "int32" }) : z.number();
}

const gatewayRef = z.object({
  group: z.string().max(253).optional().meta({ default: "gateway.networking.k8s.io" }),
  kind: z.string().min(1).max(63).optional().meta({ default: "Gateway" }),
  namespace: z.string().min(1).max(63).optional(),
  name: z.string().min(1).max(253),
  sectionName: z.string().min(1).max(253).optional(),
  port: z.int().min(1).max(65_535).optional().meta({ format: "int32" }),
});

const backendRef = ruled(
  z.object({
    group: z.string().max(253).optional().meta({ default: "" }),
    kind: z.string().min(1).max(63).optional().meta({ default: "Service" }),
    name: z.string().min(1).max(253),
    namespace: z.string().min(1).max(63).optional(),
    port: z.int().min(1).max(65_535).optional().meta({ format: "int32" }),
  }),
  {
    cel: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
    message: "a Service needs a port; add port",
    ok: ({ group = "", kind = "Service", port: number }) => group !== "" || kind !== "Service" || number !== undefined,
  },
);

function routeMatch(dialect: Dialect) {
  const byName = z.record(z.string(), stringMatch);
  return z.object({
    name: z.string().optional(),
    uri: stringMatch.optional(),
    scheme: stringMatch.optional(),
    method: stringMatch.optional(),
    authority: stringMatch.optional(),
    headers: byName.optional(),
    queryParams: byName.optional(),
    withoutHeaders: byName.optional(),
    ignoreUriCase: z.boolean().optional(),
    port: port(dialect).optional(),
    gateways: z.array(z.string()).optional(),
    sourceLabels: texts.optional(),
    sourceNamespace: z.string().optional(),
  });
}

function retries(dialect: Dialect) {
  return z.object({
    attempts: whole(dialect, 0).optional(),
    perTryTimeout: meshDuration(dialect).optional(),
    retryOn: z.string().optional(),
  });
}

function corsPolicy(dialect: Dialect) {
  return z.object({
    allowOrigin: z.array(z.string()).optional(),
    allowOrigins: z.array(stringMatch).optional(),
    allowMethods: z.array(z.string()).optional(),
    allowHeaders: z.array(z.string()).optional(),
    exposeHeaders: z.array(z.string()).optional(),
    maxAge: meshDuration(dialect).optional(),
    allowCredentials: z.boolean().optional(),
  });
}

/** The generated Services end in -primary and -canary, and a Service's name has at most 63 characters. */
export const APEX_LENGTH = 55;

function apexName(dialect: Dialect) {
  if (dialect === "flagger") return z.string();
  const cure = "must be a name for Services: lower-case letters, digits and dashes, beginning with a letter";
  const name = patterned(z.string().max(APEX_LENGTH), /^[a-z]([-a-z0-9]*[a-z0-9])?$/, cure);
  return ruled(name, { cel: "self == oldSelf", message: "cannot be changed, because clients know the Service by it; make a new Canary for another name" });
}

export function serviceSchema(dialect: Dialect) {
  return z.object({
    name: apexName(dialect).optional().describe("Name of the Service that clients call; the target's name when absent"),
    port: port(dialect).describe("Port of the generated Services"),
    portName: z.string().optional().describe("Name of that port; http when absent"),
    targetPort: z
      .union([z.int(), z.string()])
      .optional()
      .meta({ description: "Port of the container, by number or name; the same as port when absent", "x-kubernetes-int-or-string": true }),
    appProtocol: z.string().optional().describe("Application protocol of that port"),
    trafficDistribution: z.enum(["PreferClose", "PreferSameZone", "PreferSameNode"]).optional(),
    portDiscovery: z.boolean().optional().describe("Give the Services the target's other ports too"),
    headless: z.boolean().optional().describe("Make headless Services"),
    timeout: meshDuration(dialect).optional().describe("Time-out of a request"),
    backendTimeout: meshDuration(dialect).optional().describe("Time-out of a request to one backend; Gateway API only"),
    gateways: z.array(z.string()).optional().describe("Istio gateways; mesh when absent"),
    gatewayRefs: z.array(gatewayRef).max(32).optional().describe("Gateways of the Gateway API that the HTTPRoute is attached to"),
    hosts: z.array(z.string()).optional().describe("Hosts of the route"),
    delegation: z.boolean().optional().describe("Make an Istio VirtualService without hosts and gateways, for another one to delegate to"),
    trafficPolicy: z
      .looseObject({
        connectionPool: open("Limits of connections and requests").optional(),
        loadBalancer: open("How requests are spread").optional(),
        outlierDetection: open("When a pod is taken out").optional(),
        tls: open("How connections are secured").optional(),
      })
      .optional()
      .describe("Istio's TrafficPolicy, put on both DestinationRules"),
    match: listOf(dialect, routeMatch(dialect), 32).optional().describe("Conditions of the whole route, as Istio's HTTPMatchRequest"),
    rewrite: z
      .object({ uri: z.string().optional(), authority: z.string().optional(), type: z.string().optional() })
      .optional()
      .describe("Rewriting of requests; type is ReplacePrefixMatch or ReplaceFullPath and for the Gateway API only"),
    retries: retries(dialect).optional().describe("Retries of failed requests"),
    headers: z
      .object({ request: headerOperations.optional(), response: headerOperations.optional() })
      .optional()
      .describe("Headers that the route adds, sets or removes"),
    mirror: z.array(z.object({ backendRef: backendRef.optional() })).max(16).optional().describe("Backends that get a copy of each request; Gateway API only"),
    corsPolicy: corsPolicy(dialect).optional(),
    meshName: z.string().optional().describe("App Mesh only"),
    backends: z.array(z.string()).optional().describe("App Mesh only"),
    apex: meta("the apex Service and the route").optional(),
    primary: meta("the primary Service").optional(),
    canary: meta("the canary Service").optional(),
    unmanagedMetadata: z
      .object({ labels: z.array(z.string()).optional(), annotations: z.array(z.string()).optional() })
      .optional()
      .describe("Keys of labels and annotations that are left alone on generated Services"),
  });
}

export function ruledService(dialect: Dialect) {
  return strictly(dialect, serviceSchema(dialect), {
    cel: "has(self.name) == has(oldSelf.name)",
    message: "name can be neither added nor removed, because clients know the Service by it; make a new Canary for another name",
  });
}
