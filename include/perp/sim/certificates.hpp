#pragma once
// The certificate of simulated venues: an authority of this machine's own and a server's
// certificate for localhost, made where there is none. Cold; any thread, one at a time per folder.
#include <string>

namespace perp::sim {

struct CertificateFiles {
  std::string ca_file;           ///< PEM: what a client must trust
  std::string ca_key_file;       ///< PEM: signs further certificates
  std::string certificate_file;  ///< PEM: for localhost, 127.0.0.1 and ::1
  std::string key_file;          ///< PEM
};

/// ca.pem, ca.key, server.pem and server.key in `folder`, which is made if it is not there. What is
/// missing is made; what is there is kept. @throws core::Error naming the file
CertificateFiles certificate_files(const std::string& folder);

}  // namespace perp::sim
