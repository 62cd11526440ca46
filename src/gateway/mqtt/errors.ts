import { defineErrors } from '../../errors.js'

export const mqttErrors = defineErrors({
  ERR_MQTT_CREDENTIALS: 'A password, certificate or key file of the broker section cannot be read: check path and permissions.',
  ERR_MQTT_UNREACHABLE: 'Nobody answers at the address of the broker, or the connection is closed before it is accepted: check broker.url.',
  ERR_MQTT_LOGIN: 'The broker refuses the user name or the password: check broker.username and password_file against its accounts.',
  ERR_MQTT_CONNECT: 'The broker refuses the connection for the reason in the message.',
  ERR_MQTT_TLS: 'There is no TLS with the broker: the port does not speak it, or a file of the broker section is no certificate or key.',
  ERR_MQTT_TLS_HOST: 'The certificate of the broker is for another name: put a name that it carries into broker.url.',
  ERR_MQTT_TLS_EXPIRED: 'The certificate of the broker has expired or is not valid yet: renew it, or correct the clock of this host.',
  ERR_MQTT_TLS_UNTRUSTED:
    'The certificate of the broker is signed by an authority that is not known here: name that authority in broker.ca_file.',
  ERR_MQTT_TLS_CLIENT: 'The broker wants a client certificate or refuses ours: check broker.cert_file, key_file and their expiry.',
  ERR_MQTT_PACKET_SIZE: 'The message is larger than the broker accepts: raise its limit, ask for binary outputs, or send smaller requests.',
  ERR_MQTT_CORRELATION:
    'A QoS 1 request needs correlation data of 1 to 64 bytes, which makes a repeated delivery recognisable: send a UUID.',
  ERR_MQTT_PROPERTY: 'A property of the request has a value out of its range: the message names it.',
  ERR_MQTT_CONTENT_TYPE: 'The content type is not one that this gateway reads: the message lists those that it does.',
  ERR_MQTT_VERSION: 'The user property v names a version of the contract that this gateway does not speak.',
  ERR_MQTT_RETAINED:
    'A command must not be retained: it would run again at every connect. Publish it without the flag and clear the topic.',
  ERR_MQTT_EXPIRY: 'This gateway takes only commands with a message expiry of at most 300 s (mqtt.require_command_expiry).',
  ERR_MQTT_UNDURABLE: 'The journal cannot be written and mqtt.strict_durability is on: free disk space and send again.',
  ERR_MQTT_RESTARTED: 'The gateway restarted while the command ran: look at its effect, and send it again if it is missing.',
})
