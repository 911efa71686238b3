/* A Modbus server of libmodbus: `libmodbus-server tcp` or `libmodbus-server rtu PATH UNIT`, memory from standard input
 * (four lines: coils, discrete inputs, holding and input registers). Says its port, then the function code of each request. */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CELLS 1000

static int read_line(int *values) {
  static char line[16 * CELLS];
  int count = 0;
  if (fgets(line, sizeof line, stdin) == NULL) return 0;
  for (char *word = strtok(line, " \n"); word != NULL && count < CELLS; word = strtok(NULL, " \n")) values[count++] = atoi(word);
  return count;
}

int main(int argc, char **argv) {
  int coils[CELLS], discrete[CELLS], holding[CELLS], input[CELLS];
  int n_coils = read_line(coils), n_discrete = read_line(discrete), n_holding = read_line(holding), n_input = read_line(input);
  modbus_mapping_t *memory = modbus_mapping_new(n_coils, n_discrete, n_holding, n_input);
  for (int i = 0; i < n_coils; i++) memory->tab_bits[i] = coils[i];
  for (int i = 0; i < n_discrete; i++) memory->tab_input_bits[i] = discrete[i];
  for (int i = 0; i < n_holding; i++) memory->tab_registers[i] = holding[i];
  for (int i = 0; i < n_input; i++) memory->tab_input_registers[i] = input[i];

  int tcp = argc > 1 && strcmp(argv[1], "tcp") == 0;
  modbus_t *bus = tcp ? modbus_new_tcp("127.0.0.1", 0) : modbus_new_rtu(argv[2], 19200, 'E', 8, 1);
  int server = -1;
  if (tcp) {
    server = modbus_tcp_listen(bus, 1);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    getsockname(server, (struct sockaddr *)&address, &length);
    printf("port %d\n", ntohs(address.sin_port));
  } else {
    modbus_set_slave(bus, atoi(argv[3]));
    if (modbus_connect(bus) != 0) {
      fprintf(stderr, "%s: %s\n", argv[2], modbus_strerror(errno));
      return 1;
    }
    printf("port 0\n");
  }
  fflush(stdout);
  for (;;) {
    if (tcp && modbus_tcp_accept(bus, &server) < 0) return 1;
    for (;;) {
      uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
      int length = modbus_receive(bus, query);
      if (length < 0 && tcp) break;
      if (length <= 0) continue;
      printf("function %d\n", query[modbus_get_header_length(bus)]);
      fflush(stdout);
      modbus_reply(bus, query, length, memory);
    }
    modbus_close(bus);
  }
}
