// What do the routers have in common that make an Ingress beside the user's? Which of the user's rules lead to the app, how they are led elsewhere, and what keeps
// an Ingress from being one that can be led.
import type { CanarySpec } from "../crds/canary.ts";
import { defined, list, map, text, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { copied, isOurs, taken } from "./beside.ts";
import { keyOf, type FoundObjects, type RouteIntent } from "./router.ts";

export const INGRESS: Resource = { group: "networking.k8s.io", version: "v1", plural: "ingresses", kind: "Ingress" };
export const INGRESS_VERSION = `${INGRESS.group}/${INGRESS.version}`;
const CLASS = "kubernetes.io/ingress.class";
/** Names that controllers give their classes by default. The object behind a name may be out of sight, so any other name is believed. */
const CLASSES: readonly string[] = ["alb", "apisix", "azure-application-gateway", "azure/application-gateway", "cilium", "contour", "gce", "gce-internal", "haproxy", "istio", "kong", "nginx", "openshift-default", "skipper", "traefik"];
const PATH = "spec.ingressRef.name";

type Asked = Pick<RouteIntent, "namespace" | "spec">;

export function sourceKeys({ namespace, spec }: Asked): string[] {
  return spec.ingressRef === undefined ? [] : [keyOf(INGRESS, namespace, spec.ingressRef.name)];
}

export function routeKey({ namespace, spec }: Asked): string | undefined {
  return spec.ingressRef === undefined ? undefined : keyOf(INGRESS, namespace, copyName(spec.ingressRef));
}

function copyName({ name }: NonNullable<CanarySpec["ingressRef"]>): string {
  return `${name}-canary`;
}

export function objectAt(key: string | undefined, found: FoundObjects): KubeObject | undefined {
  return key === undefined ? undefined : found.get(key);
}

// Check

interface Product {
  product: string;
  /** Which of the well-known classes are the product's. */
  classes: readonly string[];
  /** What else the user's Ingress may not say. */
  more(source: KubeObject, where: string): Problem[];
}

export function ingressProblems(intent: RouteIntent, found: FoundObjects, { product, classes, more }: Product): Problem[] {
  const { spec, namespace, apex } = intent;
  if (spec.ingressRef === undefined) {
    return [{ reason: "InvalidSpec", path: "spec.ingressRef", message: `Without an Ingress no traffic would ever come. Name the one that leads to Service ${apex}: ingressRef: { apiVersion: ${INGRESS_VERSION}, kind: Ingress, name: ... }.` }];
  }
  const where = `Ingress ${namespace}/${spec.ingressRef.name}`;
  const source = objectAt(sourceKeys(intent)[0], found);
  const problems = taken(objectAt(routeKey(intent), found), intent, PATH);
  if (source === undefined) return [{ reason: "GatewayMissing", path: PATH, message: `There is no ${where}. Create it with a rule that leads to Service ${apex}, or name one that is there.` }, ...problems];
  const named = text(map(source.spec).ingressClassName) ?? source.metadata.annotations?.[CLASS];
  if (named !== undefined && CLASSES.includes(named) && !classes.includes(named)) {
    problems.push({ reason: "Unsupported", path: PATH, message: `${where} is of the class ${named}, whose controller does not know the annotations of ${product}. Name an Ingress of ${product}, or use another provider.` });
  }
  const leads = backendsOf(source.spec).includes(apex);
  if (!leads) problems.push({ reason: "InvalidSpec", path: PATH, message: `None of the rules of ${where} leads to Service ${apex}. Let one lead there, or name the Ingress that does.` });
  return [...problems, ...more(source, where)];
}

// Render

interface Own {
  /** Annotations that are the product's. */
  isOwn(key: string): boolean;
  /** Those of them that say the same beside the user's Ingress. */
  isCopied(key: string): boolean;
  annotations(source: KubeObject): Record<string, string>;
  /** What a backend that is the apex becomes. */
  backends(backend: Json): Json[];
  /** Whether what no rule matches can be led too. */
  byDefault: boolean;
}

/**
 * Issuers of certificates, DNS and the like act on the Ingress that their annotations are on: of all that are not the product's only the class is copied. Where
 * the user's Ingress is gone, or leads to the app no more, what was made of it stays, so that it can still lead to nobody.
 */
export function besideIngress(intent: RouteIntent, found: FoundObjects, own: Own): KubeObject[] {
  const { spec } = intent;
  const before = objectAt(routeKey(intent), found);
  const source = objectAt(sourceKeys(intent)[0], found) ?? before;
  if (spec.ingressRef === undefined || source === undefined || (before !== undefined && !isOurs(before, intent))) return [];
  const rules = (source === before ? undefined : split(source.spec, intent, own)) ?? before?.spec;
  if (rules === undefined) return [];
  const inherited = Object.entries(source.metadata.annotations ?? {}).filter(([key]) => key === CLASS || (own.isOwn(key) && own.isCopied(key)));
  return [
    copied(intent, before, {
      apiVersion: INGRESS_VERSION,
      kind: INGRESS.kind,
      name: copyName(spec.ingressRef),
      isOwnAnnotation: (key) => key === CLASS || own.isOwn(key),
      annotations: { ...Object.fromEntries(inherited), ...own.annotations(source) },
      spec: map(rules),
    }),
  ];
}

/** What of an Ingress leads to the apex, led elsewhere; undefined where nothing does. Certificates are those of the user's Ingress. */
function split(spec: unknown, { apex }: RouteIntent, { backends, byDefault }: Own): Json | undefined {
  const { ingressClassName, defaultBackend, rules } = map(spec);
  const leads = (backend: unknown): boolean => map(map(backend).service).name === apex;
  const kept = list(rules).map(map).flatMap((rule) => {
    const paths = list(map(rule.http).paths).map(map).filter(({ backend }) => leads(backend));
    return paths.length === 0 ? [] : [{ ...rule, http: { ...map(rule.http), paths: paths.flatMap((path) => backends(map(path.backend)).map((backend) => ({ ...path, backend }))) } }];
  });
  const fallback = byDefault && leads(defaultBackend) ? backends(map(defaultBackend))[0] : undefined;
  if (kept.length === 0 && fallback === undefined) return undefined;
  return defined({ ingressClassName, defaultBackend: fallback, rules: kept.length === 0 ? undefined : kept });
}

export function ledTo(backend: Json, name: string): Json {
  return { ...backend, service: { ...map(backend.service), name } };
}

/** Names of the Services that it leads to. */
export function backendsOf(spec: unknown): (string | undefined)[] {
  const { defaultBackend, rules } = map(spec);
  const paths = list(rules).flatMap((rule) => list(map(map(rule).http).paths).map((path) => map(path).backend));
  return [...(defaultBackend === undefined ? [] : [defaultBackend]), ...paths].map((backend) => text(map(map(backend).service).name));
}
