{{- define "meshcache.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "meshcache.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "meshcache.labels" -}}
{{ include "meshcache.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* The settings: what the chart decides, and `config`. */ -}}
{{- define "meshcache.config" -}}
{{- $own := dict "listen" "0.0.0.0:50051" "admin" "0.0.0.0:9464" "adminHosts" (.Values.config.adminHosts | default (printf "*.%s.svc,*.%s.svc.cluster.local" .Release.Namespace .Release.Namespace)) "storeBudgetBytes" (printf "%dMiB" (int .Values.storeBudgetMiB)) -}}
{{- if .Values.snapshot.enabled -}}{{- $_ := set $own "snapshot" "/var/lib/meshcache/snapshot" -}}{{- end -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $own "tlsCert" "/etc/meshcache/tls/tls.crt" -}}
{{- $_ := set $own "tlsKey" "/etc/meshcache/tls/tls.key" -}}
{{- if .Values.tls.requireClientCertificate -}}{{- $_ := set $own "tlsClientCa" "/etc/meshcache/tls/ca.crt" -}}{{- end -}}
{{- else if .Values.plaintext -}}
{{- $_ := set $own "plaintext" true -}}
{{- else -}}
{{- fail "set tls.secretName, or plaintext: true behind sidecars that encrypt" -}}
{{- end -}}
{{- if and .Values.tls.secretName .Values.plaintext }}{{ fail "tls.secretName and plaintext exclude one another" }}{{ end -}}
{{- $identified := and .Values.tls.secretName .Values.tls.requireClientCertificate -}}
{{- if and (or .Values.config.tokens .Values.config.jwtIssuers .Values.config.policy) (not .Values.identity.secretName) -}}
{{- fail "set identity.secretName: a pod has no other files for config.tokens, config.jwtIssuers and config.policy" -}}
{{- end -}}
{{- if .Values.anonymous }}{{ $_ := set $own "anonymous" true }}{{ else if not $identified }}{{ fail "set tls.requireClientCertificate, or anonymous: true where the network decides who reaches the cache" }}{{ end -}}
{{- if and (eq (.Values.config.console | default "on" | toString) "anonymous") (not (and .Values.networkPolicy.enabled .Values.networkPolicy.monitoring)) -}}
{{- fail "config.console=anonymous shows keys and values to whoever reaches the admin port: name who may in networkPolicy.monitoring" -}}
{{- end -}}
{{- toYaml (merge $own .Values.config) -}}
{{- end }}
