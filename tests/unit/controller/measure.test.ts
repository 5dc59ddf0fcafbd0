// What becomes of a metric that the API server itself is asked for, and of what a provider says in an error?
import { describe, expect, test } from "@jest/globals";
import type { PlannedMetric } from "../../../analysis/types.ts";
import { createKubeApi } from "../../../engine/adapters/kube.ts";
import type { TransportRequest } from "../../../engine/adapters/transport.ts";
import type { Context } from "../../../engine/controller/context.ts";
import { measure } from "../../../engine/controller/measure.ts";
import { testClock } from "./support.ts";

const metric: PlannedMetric = { name: "queue", path: "spec.analysis.metrics[0]", template: "webapp/queue", provider: "externalmetrics", address: "", query: "shop/queue-length?labelSelector=app%3Dbackend" };

async function asked(status: number, body: unknown, more: Partial<PlannedMetric> = {}, secret?: Record<string, string>) {
  const requests: TransportRequest[] = [];
  const transport = {
    request: async (request: TransportRequest) => {
      requests.push(request);
      const found = request.path.includes("/secrets/") ? { status: 200, body: { metadata: {}, data: secret } } : { status, body };
      return { status: found.status, headers: {}, body: JSON.stringify(found.body) };
    },
  };
  const clock = testClock();
  const api = createKubeApi({ transport: transport as never, clock });
  const http = async () => ({ ok: true as const, value: { status, headers: {}, body: JSON.stringify(body) } });
  const reading = await measure({ ...metric, ...more }, { api, http, clock } as unknown as Context, new AbortController().signal);
  return { reading, requests };
}

const list = (...values: string[]) => ({ kind: "ExternalMetricValueList", apiVersion: "external.metrics.k8s.io/v1beta1", metadata: {}, items: values.map((value) => ({ metricName: "queue-length", metricLabels: {}, timestamp: "2024-01-01T12:00:00Z", value })) });

describe("an external metric of the engine's own cluster", () => {
  test("is read with the engine's own rights", async () => {
    const { reading, requests } = await asked(200, list("1500m"));
    expect(reading).toEqual({ kind: "value", value: 1.5 });
    expect(requests).toMatchObject([{ method: "GET", path: "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue-length", query: { labelSelector: "app=backend" } }]);
  });

  test.each([
    ["nothing", 200, list(), { kind: "no-data" }],
    ["two", 200, list("1", "2"), { kind: "error", field: "spec.query" }],
    ["no such metric", 404, { kind: "Status", message: "the server could not find the metric" }, { kind: "error", field: "spec.query", why: expect.stringMatching(/^MetricTemplate webapp\/queue: spec\.query: .*could not find the metric/) }],
    ["no right", 403, { kind: "Status", message: "cannot list resource" }, { kind: "error", field: "spec.provider.secretRef", why: expect.stringMatching(/^MetricTemplate webapp\/queue: .*403.*cannot list resource/) }],
    ["an adapter that is down", 503, { kind: "Status", message: "no endpoints available" }, { kind: "error", field: "spec.provider.address" }],
  ])("%s", async (_name, status, body, reading) => {
    expect((await asked(status, body)).reading).toMatchObject(reading);
  });

  test("a token without an address goes nowhere", async () => {
    const { reading, requests } = await asked(200, list("1"), { secret: { namespace: "webapp", name: "s" } }, { token: "cGxhbnRlZA==" });
    expect(reading).toMatchObject({ kind: "error", field: "spec.provider.address" });
    expect(requests.map(({ path }) => path)).toEqual(["/api/v1/namespaces/webapp/secrets/s"]);
  });

  test.each(["a/b/c", "../secrets", "..", "shop/%2e%2E", "queue?limit=1", ""])("%s is no name of a metric", async (query) => {
    const { reading, requests } = await asked(200, list("1"), { query });
    expect(reading).toMatchObject({ kind: "error", field: "spec.query" });
    expect(requests).toEqual([]);
  });
});

test("a provider that quotes its token has it struck out before the words are cut", async () => {
  const error = `${"x".repeat(150)} you sent planted-token, and "planted-\\"token"`;
  const { reading } = await asked(400, { status: "error", errorType: "bad_data", error }, { provider: "prometheus", address: "http://p:9090", query: "up", secret: { namespace: "webapp", name: "s" } }, { token: Buffer.from("planted-token").toString("base64") });
  expect(JSON.stringify(reading)).not.toContain("planted-t");
  expect(reading).toMatchObject({ kind: "error", why: expect.stringMatching(/^MetricTemplate webapp\/queue: spec\.query: Prometheus answered 400: bad_data: x+ you sent \[h/) });
});

describe("Google without a service account's key", () => {
  const google: Partial<PlannedMetric> = { provider: "stackdriver", address: "https://monitoring.googleapis.com", query: "fetch x", secret: { namespace: "webapp", name: "gcp" } };
  const project = { data: { project: Buffer.from("my-project").toString("base64") } };

  async function answered(answers: { status: number; body: string }[], more: Partial<PlannedMetric> = {}) {
    const sent: { method: string; url: string; headers?: Record<string, string> }[] = [];
    const http = async (request: (typeof sent)[number]) => {
      const answer = answers[sent.push(request) - 1];
      return answer === undefined ? { ok: false as const, fault: { class: "transient" as const, message: "out of reach" } } : { ok: true as const, value: { ...answer, headers: {} } };
    };
    const api = { get: async () => ({ ok: true, value: project }) };
    const reading = await measure({ ...metric, ...google, ...more }, { api, http, clock: testClock() } as unknown as Context, new AbortController().signal);
    return { reading, sent };
  }

  test("the metadata server is asked for the engine's own token first", async () => {
    const value = { timeSeriesDescriptor: {}, timeSeriesData: [{ pointData: [{ values: [{ doubleValue: 3 }], timeInterval: { endTime: "2024-01-01T12:00:00Z" } }] }] };
    const { reading, sent } = await answered([{ status: 200, body: '{"access_token":"planted-token","expires_in":3599,"token_type":"Bearer"}' }, { status: 200, body: JSON.stringify(value) }]);
    expect(reading).toEqual({ kind: "value", value: 3 });
    expect(sent).toMatchObject([
      { method: "GET", url: "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token", headers: { "Metadata-Flavor": "Google" } },
      { method: "POST", url: "https://monitoring.googleapis.com/v3/projects/my-project/timeSeries:query", headers: { Authorization: "Bearer planted-token" } },
    ]);
  });

  test.each([
    ["none", []],
    ["a refusal", [{ status: 403, body: "planted-words" }]],
    ["garbage", [{ status: 200, body: "<html>" }]],
    ["a token that ends a header", [{ status: 200, body: '{"access_token":"a\\r\\nX-Evil: b"}' }]],
  ])("%s instead of a token is an error of the Secret", async (_name, answers) => {
    const { reading, sent } = await answered(answers);
    expect(reading).toMatchObject({ kind: "error", field: "spec.provider.secretRef", why: expect.stringMatching(/^MetricTemplate webapp\/queue: spec\.provider\.secretRef: /) });
    expect(JSON.stringify(reading)).not.toMatch(/planted|Evil/);
    expect(sent).toHaveLength(1);
  });

  test("its token goes nowhere else", async () => {
    const { reading, sent } = await answered([], { address: "https://evil.example" });
    expect(reading).toMatchObject({ kind: "error", field: "spec.provider.address" });
    expect(sent).toEqual([]);
  });
});

describe("CloudWatch without a Secret", () => {
  const amazon: PlannedMetric = { ...metric, provider: "cloudwatch", address: "https://monitoring.eu-central-1.amazonaws.com", region: "eu-central-1", query: '[{"Id":"a"}]' };
  const body = JSON.stringify({ MetricDataResults: [{ StatusCode: "Complete", Timestamps: [1], Values: [3] }] });
  const http = async () => ({ ok: true as const, value: { status: 200, headers: {}, body } });
  const reading = (identity: Context["identity"]) => measure(amazon, { api: {}, http, clock: testClock(), identity } as unknown as Context, new AbortController().signal);

  test("is asked with the engine's own credentials", async () => {
    expect(await reading(async () => ({ ok: true, value: { aws_access_key_id: "a", aws_secret_access_key: "b" } }))).toEqual({ kind: "value", value: 3 });
  });

  test("is an error of the Secret where the engine has none", async () => {
    for (const identity of [undefined, async () => ({ ok: false as const, why: "nobody" })]) {
      expect(await reading(identity)).toMatchObject({ kind: "error", field: "spec.provider.secretRef", why: expect.stringMatching(/^MetricTemplate webapp\/queue: spec\.provider\.secretRef: /) });
    }
  });
});
