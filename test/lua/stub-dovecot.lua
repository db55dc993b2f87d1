-- Plays Dovecot for lua/coi.lua in a plain Lua interpreter: arg[1] is the script, each line of
-- standard input is one MessageNew (hex of the subject, uid, date), each line of output the hex of
-- the body that would have been posted.
local posted
dovecot = {
  i_error = error,
  i_warning = error,
  http = {
    client = function()
      return {
        request = function()
          return {
            add_header = function(_, name, value)
              if name == 'Coi-Events' then posted = value end
            end,
            set_payload = function(_, payload) posted = payload end,
            submit = function()
              return { status = function() return 200 end, reason = function() return 'OK' end }
            end,
          }
        end,
      }
    end,
  },
}
dofile(arg[1])
script_init({ coi_sidecar_url = 'http://127.0.0.1:1', coi_sidecar_token = 'token' })

for line in io.lines() do
  local subject, uid, date = line:match('^(%x*) (%d+) (-?%d+)$')
  local ctx = dovecot_lua_notify_begin_txn({ username = 'alice', service = 'lmtp', uid = 8 })
  dovecot_lua_notify_event_message_new(ctx, {
    name = 'MessageNew',
    mailbox = 'INBOX',
    subject = subject:gsub('..', function(hex) return string.char(tonumber(hex, 16)) end),
    uid = tonumber(uid) * 1.0, -- lua_pushnumber: a float where Lua tells the two apart
    uid_validity = 4294967295.0,
    date = tonumber(date) * 1.0,
    tz = -720.0,
    flags = {},
  })
  dovecot_lua_notify_end_txn(ctx, true)
  print((posted:gsub('.', function(char) return string.format('%02x', char:byte()) end)))
end
