// Are the bodies of `kubectl create` read whole, and refused where the table does not reach?
import { describe, expect, test } from "@jest/globals";
import { ApiError } from "../../../sandbox/api/errors.ts";
import { decodeProtobuf } from "../../../sandbox/api/protobuf.ts";

function bytes(number: number, value: string | Buffer): Buffer {
  const content = Buffer.from(value);
  return Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), content]);
}

function number(field: number, value: number): Buffer {
  return Buffer.from([field << 3, value]);
}

function envelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  return Buffer.concat([Buffer.from("k8s\0"), bytes(1, Buffer.concat([bytes(1, apiVersion), bytes(2, kind)])), bytes(2, raw)]);
}

const named = bytes(1, Buffer.concat([bytes(1, "one"), bytes(2, ""), bytes(11, Buffer.concat([bytes(1, "k"), bytes(2, "v")]))]));

describe("protobuf bodies", () => {
  test("names, labels, numbers and repeated parts; what is empty is absent", () => {
    const port = Buffer.concat([bytes(1, "http"), number(3, 80), bytes(4, Buffer.concat([number(1, 1), number(2, 0), bytes(3, "web")])), number(5, 0)]);
    const spec = Buffer.concat([bytes(1, port), bytes(2, Buffer.concat([bytes(1, "app"), bytes(2, "x")])), bytes(4, "ClusterIP"), number(12, 0)]);
    expect(decodeProtobuf(envelope("v1", "Service", Buffer.concat([named, bytes(2, spec), bytes(3, bytes(1, ""))])))).toEqual({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "one", labels: { k: "v" } },
      spec: { ports: [{ name: "http", port: 80, targetPort: "web" }], selector: { app: "x" }, type: "ClusterIP" },
    });
  });

  test("a replica count of zero is a count", () => {
    expect(decodeProtobuf(envelope("apps/v1", "Deployment", bytes(2, number(1, 0))))).toMatchObject({ spec: { replicas: 0 } });
  });

  test.each([
    ["a kind that is not known", envelope("v1", "Strange", named)],
    ["a field that is not known", envelope("v1", "ConfigMap", Buffer.concat([named, bytes(9, "something")]))],
    ["no envelope", Buffer.from("{}")],
    ["half a body", envelope("v1", "ConfigMap", bytes(1, "x").subarray(0, 2))],
  ])("%s is refused", (_what, body) => {
    expect(() => decodeProtobuf(body)).toThrow(ApiError);
  });
});
