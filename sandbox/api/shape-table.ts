// The fields of the built-in kinds in the notation of shapes.ts. Kinds and fields only; what is rarely used is "x".
export const SHAPE_TEXT: Record<string, string> = {
  ObjectMeta: `name:s generateName:s namespace:s selfLink:s uid:s resourceVersion:s generation:i creationTimestamp:s
    deletionTimestamp:s deletionGracePeriodSeconds:i labels:s{} annotations:s{} ownerReferences:OwnerReference[uid]
    finalizers:s[=] managedFields:x[]`,
  OwnerReference: "apiVersion:s kind:s name:s uid:s controller:b blockOwnerDeletion:b",
  LabelSelector: "matchLabels:s{} matchExpressions:LabelSelectorRequirement[]",
  LabelSelectorRequirement: "key:s operator:s values:s[]",
  Condition: `type:s status:s reason:s message:s observedGeneration:i lastTransitionTime:s lastUpdateTime:s
    lastProbeTime:s lastHeartbeatTime:s`,
  ObjectReference: "kind:s namespace:s name:s uid:s apiVersion:s resourceVersion:s fieldPath:s",
  LocalObjectReference: "name:s",

  Pod: "apiVersion:s kind:s metadata:ObjectMeta spec:PodSpec status:PodStatus",
  PodTemplateSpec: "metadata:ObjectMeta spec:PodSpec",
  PodSpec: `volumes:Volume[name] initContainers:Container[name] containers:Container[name] ephemeralContainers:Container[name]
    restartPolicy:s terminationGracePeriodSeconds:i activeDeadlineSeconds:i dnsPolicy:s nodeSelector:s{} serviceAccountName:s
    serviceAccount:s automountServiceAccountToken:b nodeName:s hostNetwork:b hostPID:b hostIPC:b shareProcessNamespace:b
    securityContext:x imagePullSecrets:LocalObjectReference[name] hostname:s subdomain:s affinity:x schedulerName:s
    tolerations:Toleration[] hostAliases:HostAlias[ip] priorityClassName:s priority:i dnsConfig:x readinessGates:x[]
    runtimeClassName:s enableServiceLinks:b preemptionPolicy:s overhead:q{} hostnameOverride:s resources:ResourceRequirements
    topologySpreadConstraints:TopologySpread[topologyKey] setHostnameAsFQDN:b os:x hostUsers:b
    schedulingGates:LocalObjectReference[name] resourceClaims:x[name] workloadRef:x`,
  Toleration: "key:s operator:s value:s effect:s tolerationSeconds:i",
  HostAlias: "ip:s hostnames:s[]",
  TopologySpread: `maxSkew:i topologyKey:s whenUnsatisfiable:s labelSelector:LabelSelector minDomains:i nodeAffinityPolicy:s
    nodeTaintsPolicy:s matchLabelKeys:s[]`,
  Container: `name:s image:s command:s[] args:s[] workingDir:s ports:ContainerPort[containerPort] envFrom:EnvFrom[]
    env:EnvVar[name] resources:ResourceRequirements resizePolicy:x[] restartPolicy:s restartPolicyRules:x[] volumeMounts:VolumeMount[mountPath]
    volumeDevices:VolumeDevice[devicePath] livenessProbe:Probe readinessProbe:Probe startupProbe:Probe lifecycle:Lifecycle
    terminationMessagePath:s terminationMessagePolicy:s imagePullPolicy:s securityContext:x stdin:b stdinOnce:b tty:b targetContainerName:s`,
  ContainerPort: "name:s hostPort:i containerPort:i protocol:s hostIP:s",
  EnvFrom: "prefix:s configMapRef:OptionalReference secretRef:OptionalReference",
  OptionalReference: "name:s optional:b",
  EnvVar: "name:s value:s valueFrom:EnvVarSource",
  EnvVarSource: "fieldRef:FieldRef resourceFieldRef:x configMapKeyRef:KeySelector secretKeyRef:KeySelector fileKeyRef:x",
  FieldRef: "apiVersion:s fieldPath:s",
  KeySelector: "name:s key:s optional:b",
  ResourceRequirements: "limits:q{} requests:q{} claims:x[]",
  VolumeMount: "name:s readOnly:b recursiveReadOnly:s mountPath:s subPath:s mountPropagation:s subPathExpr:s",
  VolumeDevice: "name:s devicePath:s",
  Probe: `exec:Exec httpGet:HttpGet tcpSocket:TcpSocket grpc:Grpc initialDelaySeconds:i timeoutSeconds:i periodSeconds:i
    successThreshold:i failureThreshold:i terminationGracePeriodSeconds:i`,
  Exec: "command:s[]",
  HttpGet: "path:s port:q host:s scheme:s httpHeaders:HttpHeader[]",
  HttpHeader: "name:s value:s",
  TcpSocket: "port:q host:s",
  Grpc: "port:i service:s",
  Lifecycle: "postStart:LifecycleHandler preStop:LifecycleHandler stopSignal:s",
  LifecycleHandler: "exec:Exec httpGet:HttpGet tcpSocket:TcpSocket sleep:x",
  Volume: `name:s hostPath:HostPath emptyDir:EmptyDir configMap:ConfigMapVolume secret:SecretVolume projected:Projected
    downwardAPI:DownwardApi persistentVolumeClaim:x csi:x ephemeral:x nfs:x iscsi:x glusterfs:x rbd:x flexVolume:x cinder:x
    cephfs:x flocker:x fc:x azureFile:x vsphereVolume:x quobyte:x azureDisk:x photonPersistentDisk:x portworxVolume:x
    scaleIO:x storageos:x gcePersistentDisk:x awsElasticBlockStore:x gitRepo:x image:x`,
  HostPath: "path:s type:s",
  EmptyDir: "medium:s sizeLimit:q",
  ConfigMapVolume: "name:s items:KeyToPath[] defaultMode:i optional:b",
  SecretVolume: "secretName:s items:KeyToPath[] defaultMode:i optional:b",
  KeyToPath: "key:s path:s mode:i",
  Projected: "sources:ProjectedSource[] defaultMode:i",
  ProjectedSource: "configMap:ConfigMapVolume secret:ProjectedSecret downwardAPI:DownwardApi serviceAccountToken:TokenSource clusterTrustBundle:x podCertificate:x",
  ProjectedSecret: "name:s items:KeyToPath[] optional:b",
  TokenSource: "audience:s expirationSeconds:i path:s",
  DownwardApi: "items:DownwardItem[] defaultMode:i",
  DownwardItem: "path:s fieldRef:FieldRef resourceFieldRef:x mode:i",
  PodStatus: `phase:s conditions:Condition[type] message:s reason:s nominatedNodeName:s hostIP:s hostIPs:x[ip] podIP:s
    podIPs:x[ip] startTime:s initContainerStatuses:x[] containerStatuses:x[] qosClass:s ephemeralContainerStatuses:x[]
    resize:s resourceClaimStatuses:x[name] observedGeneration:i extendedResourceClaimStatus:x allocatedResources:q{} resources:x`,

  Deployment: "apiVersion:s kind:s metadata:ObjectMeta spec:DeploymentSpec status:DeploymentStatus",
  DeploymentSpec: `replicas:i selector:LabelSelector template:PodTemplateSpec strategy:UpdateStrategy~ minReadySeconds:i
    revisionHistoryLimit:i paused:b progressDeadlineSeconds:i`,
  UpdateStrategy: "type:s rollingUpdate:RollingUpdate",
  RollingUpdate: "maxUnavailable:q maxSurge:q",
  DeploymentStatus: `observedGeneration:i replicas:i updatedReplicas:i readyReplicas:i availableReplicas:i
    unavailableReplicas:i terminatingReplicas:i conditions:Condition[type] collisionCount:i`,
  ReplicaSet: "apiVersion:s kind:s metadata:ObjectMeta spec:ReplicaSetSpec status:ReplicaSetStatus",
  ReplicaSetSpec: "replicas:i minReadySeconds:i selector:LabelSelector template:PodTemplateSpec",
  ReplicaSetStatus: `replicas:i fullyLabeledReplicas:i readyReplicas:i availableReplicas:i terminatingReplicas:i
    observedGeneration:i conditions:Condition[type]`,
  DaemonSet: "apiVersion:s kind:s metadata:ObjectMeta spec:DaemonSetSpec status:DaemonSetStatus",
  DaemonSetSpec: "selector:LabelSelector template:PodTemplateSpec updateStrategy:UpdateStrategy minReadySeconds:i revisionHistoryLimit:i",
  DaemonSetStatus: `currentNumberScheduled:i numberMisscheduled:i desiredNumberScheduled:i numberReady:i observedGeneration:i
    updatedNumberScheduled:i numberAvailable:i numberUnavailable:i collisionCount:i conditions:Condition[type]`,
  ControllerRevision: "apiVersion:s kind:s metadata:ObjectMeta data:x revision:i",

  Service: "apiVersion:s kind:s metadata:ObjectMeta spec:ServiceSpec status:ServiceStatus",
  ServiceSpec: `ports:ServicePort[port] selector:s{} clusterIP:s clusterIPs:s[] type:s externalIPs:s[] sessionAffinity:s
    loadBalancerIP:s loadBalancerSourceRanges:s[] externalName:s externalTrafficPolicy:s healthCheckNodePort:i
    publishNotReadyAddresses:b sessionAffinityConfig:x ipFamilies:s[] ipFamilyPolicy:s allocateLoadBalancerNodePorts:b
    loadBalancerClass:s internalTrafficPolicy:s trafficDistribution:s`,
  ServicePort: "name:s protocol:s appProtocol:s port:i targetPort:q nodePort:i",
  ServiceStatus: "loadBalancer:x conditions:Condition[type]",
  ConfigMap: "apiVersion:s kind:s metadata:ObjectMeta data:s{} binaryData:s{} immutable:b",
  Secret: "apiVersion:s kind:s metadata:ObjectMeta data:s{} stringData:s{} type:s immutable:b",
  Event: `apiVersion:s kind:s metadata:ObjectMeta involvedObject:ObjectReference reason:s message:s source:EventSource
    firstTimestamp:s lastTimestamp:s count:i type:s eventTime:s series:x action:s related:ObjectReference
    reportingComponent:s reportingInstance:s`,
  EventSource: "component:s host:s",
  Namespace: "apiVersion:s kind:s metadata:ObjectMeta spec:NamespaceSpec status:NamespaceStatus",
  NamespaceSpec: "finalizers:s[]",
  NamespaceStatus: "phase:s conditions:Condition[type]",
  Node: "apiVersion:s kind:s metadata:ObjectMeta spec:NodeSpec status:NodeStatus",
  NodeSpec: "podCIDR:s podCIDRs:s[=] providerID:s unschedulable:b taints:x[] configSource:x externalID:s",
  NodeStatus: `capacity:q{} allocatable:q{} phase:s conditions:Condition[type] addresses:NodeAddress[type] daemonEndpoints:x
    nodeInfo:x images:x[] volumesInUse:s[] volumesAttached:x[] config:x runtimeHandlers:x[] features:x declaredFeatures:s[]`,
  NodeAddress: "type:s address:s",
  ServiceAccount: `apiVersion:s kind:s metadata:ObjectMeta secrets:ObjectReference[name] imagePullSecrets:LocalObjectReference[name]
    automountServiceAccountToken:b`,
  Endpoints: "apiVersion:s kind:s metadata:ObjectMeta subsets:EndpointSubset[]",
  EndpointSubset: "addresses:EndpointAddress[] notReadyAddresses:EndpointAddress[] ports:EndpointPort[]",
  EndpointAddress: "ip:s hostname:s nodeName:s targetRef:ObjectReference",
  EndpointPort: "name:s port:i protocol:s appProtocol:s",
  EndpointSlice: "apiVersion:s kind:s metadata:ObjectMeta addressType:s endpoints:Endpoint[] ports:EndpointPort[]",
  Endpoint: "addresses:s[] conditions:x hostname:s targetRef:ObjectReference deprecatedTopology:s{} nodeName:s zone:s hints:x",
  Lease: "apiVersion:s kind:s metadata:ObjectMeta spec:LeaseSpec",
  LeaseSpec: "holderIdentity:s leaseDurationSeconds:i acquireTime:s renewTime:s leaseTransitions:i strategy:s preferredHolder:s",

  HorizontalPodAutoscaler: "apiVersion:s kind:s metadata:ObjectMeta spec:HpaSpec status:HpaStatus",
  HpaSpec: "scaleTargetRef:ScaleTarget minReplicas:i maxReplicas:i metrics:x[] behavior:x",
  ScaleTarget: "apiVersion:s kind:s name:s",
  HpaStatus: "observedGeneration:i lastScaleTime:s currentReplicas:i desiredReplicas:i currentMetrics:x[] conditions:Condition[type]",
  Role: "apiVersion:s kind:s metadata:ObjectMeta rules:PolicyRule[]",
  ClusterRole: "apiVersion:s kind:s metadata:ObjectMeta rules:PolicyRule[] aggregationRule:x",
  PolicyRule: "verbs:s[] apiGroups:s[] resources:s[] resourceNames:s[] nonResourceURLs:s[]",
  RoleBinding: "apiVersion:s kind:s metadata:ObjectMeta subjects:Subject[] roleRef:RoleRef",
  ClusterRoleBinding: "apiVersion:s kind:s metadata:ObjectMeta subjects:Subject[] roleRef:RoleRef",
  Subject: "kind:s apiGroup:s name:s namespace:s",
  RoleRef: "apiGroup:s kind:s name:s",
  CustomResourceDefinition: "apiVersion:s kind:s metadata:ObjectMeta spec:CrdSpec status:x",
  CrdSpec: "group:s names:CrdNames scope:s versions:CrdVersion[] conversion:x preserveUnknownFields:b",
  CrdNames: "plural:s singular:s shortNames:s[] kind:s listKind:s categories:s[]",
  CrdVersion: `name:s served:b storage:b deprecated:b deprecationWarning:s schema:x subresources:x
    additionalPrinterColumns:x[] selectableFields:x[]`,
};
