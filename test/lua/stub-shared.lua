-- Plays Dovecot for lua/coi-shared.lua in a plain Lua interpreter, of the series arg[2]; arg[1] is the script.
-- Each line of standard input is "prefix mailbox reader": the reader's \Seen of a message in that mailbox.
-- For each line comes one of output: the body that would have been posted, or "nothing".
local script, series = arg[1], arg[2]
local posted

dovecot = {
  i_error = function(message) io.stderr:write(message, '\n') end,
  http = {
    client = function()
      return {
        request = function()
          return {
            add_header = function(_, name, value) if name == 'Coi-Events' then posted = value end end,
            submit = function() return { status = function() return 204 end } end,
          }
        end,
      }
    end,
  },
}
dofile(script)

for line in io.lines() do
  local prefix, mailbox, reader = line:match('^(%S+) (%S+) (%S+)$')
  local settings = { coi_sidecar_url = 'http://127.0.0.1:1', coi_sidecar_shared_prefix = prefix }
  local user = { username = reader, service = 'imap', session_id = 's', uid = 8, item = true }
  if series == '2.3' then
    script_init()
    -- As lua_check_storage_mail_user: only what Dovecot made itself is a user.
    user.plugin_getenv = function(self, name) return rawget(self, 'item') and settings[name] or nil end
  else
    script_init(settings)
  end
  posted = 'nothing'
  local ctx = dovecot_lua_notify_begin_txn(user)
  dovecot_lua_notify_event_message_read(ctx, {
    name = 'MessageRead',
    mailbox = mailbox,
    uid = 1.0,
    uid_validity = 2.0,
  })
  dovecot_lua_notify_end_txn(ctx, true)
  print(posted)
end
