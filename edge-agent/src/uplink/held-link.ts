import { type MqttLink, type MqttLinkOptions, openMqttLink } from '@nakama/service'

/**
 * A link that does not even connect before `mayOpen` resolves: a card in a copy's board would take the connection of the original,
 * which has the same client id, and speak over its status. Until then it is a link that is down.
 */
export const openHeldLink = (mayOpen: Promise<void> | undefined, options: MqttLinkOptions): MqttLink => {
  if (mayOpen === undefined) return openMqttLink(options)
  let link: MqttLink | undefined
  let isStopped = false
  void mayOpen.then(() => {
    if (!isStopped) link = openMqttLink(options)
  })
  return {
    get connected() {
      return link?.connected ?? false
    },
    publish: message => link?.publish(message) ?? false,
    drop: reason => link?.drop(reason),
    async stop(last) {
      isStopped = true
      await link?.stop(last)
    },
  }
}
