import type { DeviceDocument } from './device.ts';
import type { TokenDocument } from './token.ts';
import type { KeyDocument, NodeDocument } from './cluster.ts';
import type { SubscriptionDocument, MessageDocument, WebhookFailureDocument, RecordDocument } from './message.ts';
import type { CertificateDocument } from './certificate.ts';
import type { CredentialDocument } from './credential.ts';
import type { PrincipalDocument } from './principal.ts';
import type { RoleDocument } from './role.ts';
import type { RegistrationDocument, RecordOfRegistry } from './registration.ts';
import type {
  MqttSessionDocument,
  MqttQueueDocument,
  MqttIncomingDocument,
  MqttRetainedDocument,
  MqttPublicationDocument,
} from './mqtt.ts';
import type { AuditDocument, AuditHead } from './audit.ts';
import type { MaintenanceDocument } from './backup.ts';

export interface Collections {
  'mqtt-sessions': MqttSessionDocument;
  'mqtt-queue': MqttQueueDocument;
  'mqtt-incoming': MqttIncomingDocument;
  'mqtt-retained': MqttRetainedDocument;
  'mqtt-publications': MqttPublicationDocument;
  audit: AuditDocument;
  'audit-heads': AuditHead;
  maintenance: MaintenanceDocument;
  principals: PrincipalDocument;
  credentials: CredentialDocument;
  roles: RoleDocument;
  registry: RecordOfRegistry;
  certificates: CertificateDocument;
  registrations: RegistrationDocument;
  messages: MessageDocument;
  'webhook-failures': WebhookFailureDocument;
  data: RecordDocument;
  events: RecordDocument;
  devices: DeviceDocument;
  'deleted-devices': DeviceDocument;
  tokens: TokenDocument;
  keys: KeyDocument;
  nodes: NodeDocument;
  subscriptions: SubscriptionDocument;
}
