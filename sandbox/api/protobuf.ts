// What did a client send that speaks Kubernetes' protobuf? `kubectl create` does, without asking first. Decodes the kinds
// that it can create into JSON; what the table does not know is refused, never dropped in silence. Answers are always JSON.
import { ApiError, badRequest } from "./errors.ts";
import { isRecord } from "./json.ts";
import type { JsonRecord } from "./json.ts";

export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";

/**
 * number:name:type. s string, i integer (0 is absent), p integer that may be 0, b boolean (false is absent), y bytes as base64,
 * ms and my maps to strings and bytes, q integer or string, a amount, ma map to amounts, - ignored, else a message; [] repeats.
 */
const MESSAGES: Record<string, string> = {
  Meta: "1:name:s 2:generateName:s 3:namespace:s 4:selfLink:- 5:uid:s 6:resourceVersion:s 7:generation:- 8:creationTimestamp:- 9:deletionTimestamp:- 11:labels:ms 12:annotations:ms 13:ownerReferences:Owner[] 14:finalizers:s[] 17:managedFields:-",
  Owner: "1:kind:s 3:name:s 4:uid:s 5:apiVersion:s 6:controller:b 7:blockOwnerDeletion:b",
  Namespace: "1:metadata:Meta 2:spec:- 3:status:-",
  ConfigMap: "1:metadata:Meta 2:data:ms 3:binaryData:my 4:immutable:b",
  Secret: "1:metadata:Meta 2:data:my 3:type:s 4:stringData:ms 5:immutable:b",
  ServiceAccount: "1:metadata:Meta 4:automountServiceAccountToken:b",
  Service: "1:metadata:Meta 2:spec:ServiceSpec 3:status:-",
  ServiceSpec: "1:ports:ServicePort[] 2:selector:ms 3:clusterIP:s 4:type:s 5:externalIPs:s[] 7:sessionAffinity:s 8:loadBalancerIP:s 10:externalName:s 11:externalTrafficPolicy:s 18:clusterIPs:s[]",
  ServicePort: "1:name:s 2:protocol:s 3:port:i 4:targetPort:q 5:nodePort:i 6:appProtocol:s",
  Deployment: "1:metadata:Meta 2:spec:DeploymentSpec 3:status:-",
  DeploymentSpec: "1:replicas:p 2:selector:Selector 3:template:Template 4:strategy:Strategy 5:minReadySeconds:i 6:revisionHistoryLimit:p 7:paused:b 9:progressDeadlineSeconds:p",
  Strategy: "1:type:s",
  Selector: "1:matchLabels:ms",
  Template: "1:metadata:Meta 2:spec:PodSpec",
  PodSpec: "2:containers:Container[] 3:restartPolicy:s 4:terminationGracePeriodSeconds:p 6:dnsPolicy:s 8:serviceAccountName:s 9:serviceAccount:s 10:nodeName:s 19:schedulerName:s",
  Container: "1:name:s 2:image:s 3:command:s[] 4:args:s[] 5:workingDir:s 6:ports:Port[] 7:env:Env[] 8:resources:Resources 13:terminationMessagePath:s 14:imagePullPolicy:s 20:terminationMessagePolicy:s",
  Port: "1:name:s 2:hostPort:i 3:containerPort:i 4:protocol:s 5:hostIP:s",
  Env: "1:name:s 2:value:s",
  Resources: "1:limits:ma 2:requests:ma",
  Role: "1:metadata:Meta 2:rules:Rule[]",
  ClusterRole: "1:metadata:Meta 2:rules:Rule[]",
  Rule: "1:verbs:s[] 2:apiGroups:s[] 3:resources:s[] 4:resourceNames:s[] 5:nonResourceURLs:s[]",
  RoleBinding: "1:metadata:Meta 2:subjects:Subject[] 3:roleRef:RoleRef",
  ClusterRoleBinding: "1:metadata:Meta 2:subjects:Subject[] 3:roleRef:RoleRef",
  Subject: "1:kind:s 2:apiGroup:s 3:name:s 4:namespace:s",
  HorizontalPodAutoscaler: "1:metadata:Meta 2:spec:HpaSpec 3:status:-",
  HpaSpec: "1:scaleTargetRef:Target 2:minReplicas:p 3:maxReplicas:i",
  Target: "1:kind:s 2:name:s 3:apiVersion:s",
  RoleRef: "1:apiGroup:s 2:kind:s 3:name:s",
};

interface Field {
  name: string;
  of: string;
  repeats: boolean;
}

function tableOf(text: string): Map<number, Field> {
  return new Map(text.split(" ").map((field): [number, Field] => {
    const [number = "", name = "", type = ""] = field.split(":");
    return [Number(number), { name, of: type.replace("[]", ""), repeats: type.endsWith("[]") }];
  }));
}

const TABLES = new Map(Object.entries(MESSAGES).map(([message, text]) => [message, tableOf(text)]));

const MAGIC = Buffer.from("k8s\0");

/** @throws ApiError 400 when it is no such body, 415 for a kind or a field that is not in the table */
export function decodeProtobuf(body: Buffer): JsonRecord {
  if (!body.subarray(0, 4).equals(MAGIC)) throw badRequest("the body is not in the protobuf envelope of Kubernetes");
  let apiVersion = "";
  let kind = "";
  let raw: Buffer = Buffer.alloc(0);
  for (const { number, bytes } of fieldsOf(body.subarray(4))) {
    if (number === 2) raw = bytes;
    if (number !== 1) continue;
    for (const part of fieldsOf(bytes)) {
      if (part.number === 1) apiVersion = part.bytes.toString("utf8");
      if (part.number === 2) kind = part.bytes.toString("utf8");
    }
  }
  // DeleteOptions and the like are sent as JSON by every client we know.
  if (!TABLES.has(kind)) throw refused(`a ${kind}`);
  return { apiVersion, kind, ...decodeMessage(kind, raw) };
}

function refused(what: string): ApiError {
  return new ApiError(415, "UnsupportedMediaType", `this API does not decode ${what} in protobuf; send application/json or application/yaml`, {});
}

interface WireField {
  number: number;
  /** The value of a varint; 0 for bytes. */
  value: number;
  bytes: Buffer;
}

function* fieldsOf(body: Buffer): Generator<WireField> {
  let position = 0;
  const varint = (): number => {
    let result = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = body[position];
      position += 1;
      if (byte === undefined || shift > 63n) throw badRequest("the protobuf body ends in the middle of a number");
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, result));
    }
  };
  while (position < body.length) {
    const tag = varint();
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0: yield { number, value: varint(), bytes: Buffer.alloc(0) }; break;
      case 2: {
        const length = varint();
        const bytes = body.subarray(position, position + length);
        if (length < 0 || bytes.length < length) throw badRequest("the protobuf body ends in the middle of a field");
        position += length;
        yield { number, value: 0, bytes };
        break;
      }
      default: throw badRequest(`the protobuf body has a field of wire type ${tag & 7}`);
    }
  }
}

function decodeMessage(message: string, body: Buffer): JsonRecord {
  const table = TABLES.get(message) ?? new Map<number, Field>();
  const result: JsonRecord = {};
  for (const wire of fieldsOf(body)) {
    const field = table.get(wire.number);
    if (field === undefined) {
      // Go writes every field that is no pointer, empty ones too.
      if (wire.value !== 0 || !isBlank(wire.bytes)) throw refused(`field ${wire.number} of ${message}`);
    } else if (field.repeats) {
      const list = (result[field.name] ??= []) as unknown[];
      list.push(field.of === "s" ? wire.bytes.toString("utf8") : decodeMessage(field.of, wire.bytes));
    } else if (field.of.startsWith("m")) addEntry(result, field, wire.bytes);
    else {
      const value = decodeValue(field.of, wire);
      if (value !== undefined) result[field.name] = value;
    }
  }
  return result;
}

function decodeValue(of: string, { value, bytes }: WireField): unknown {
  switch (of) {
    case "-": return undefined;
    case "s": return bytes.length === 0 ? undefined : bytes.toString("utf8");
    case "i": return value === 0 ? undefined : value;
    case "p": return value;
    case "b": return value === 0 ? undefined : true;
    case "q": {
      const parts = new Map([...fieldsOf(bytes)].map((part) => [part.number, part]));
      const text = parts.get(3)?.bytes.toString("utf8") ?? "";
      const number = parts.get(2)?.value ?? 0;
      return parts.get(1)?.value === 1 ? text : number === 0 ? undefined : number;
    }
    default: {
      const message = decodeMessage(of, bytes);
      return isRecord(message) && Object.keys(message).length === 0 ? undefined : message;
    }
  }
}

function addEntry(result: JsonRecord, field: Field, bytes: Buffer): void {
  const entry = new Map([...fieldsOf(bytes)].map((part) => [part.number, part.bytes]));
  const value = entry.get(2) ?? Buffer.alloc(0);
  const map = (result[field.name] ??= {}) as JsonRecord;
  map[entry.get(1)?.toString("utf8") ?? ""] = field.of === "my" ? value.toString("base64")
    : field.of === "ma" ? [...fieldsOf(value)].find(({ number }) => number === 1)?.bytes.toString("utf8") ?? "0"
    : value.toString("utf8");
}

/** Nothing in it but empty fields: the tags of an empty structure inside an empty structure. */
function isBlank(bytes: Buffer): boolean {
  if (bytes.length === 0) return true;
  if (bytes.length > 64 || bytes[bytes.length - 1] !== 0) return false;
  return [...fieldsOf(bytes)].every(({ value, bytes: inner }) => value === 0 && isBlank(inner));
}
