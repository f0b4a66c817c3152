//! Faults of a handshake for people.

use rustls::{AlertDescription, CertificateError, Error};

/// What a dialled peer, or one that dialled, did instead of agreeing; for after its name.
pub fn of_handshake(error: &Error, is_client: bool) -> String {
    match error {
        Error::InvalidCertificate(fault) => of_certificate(fault, is_client),
        Error::NoCertificatesPresented => {
            "showed no certificate; give it one that comes from `tls.client_ca`".to_owned()
        }
        Error::AlertReceived(alert) => of_alert(*alert, is_client),
        Error::PeerIncompatible(why) => format!(
            "speaks no TLS that is spoken here ({why:?}); both ends need TLS 1.2 or 1.3 with one \
             cipher in common"
        ),
        error => format!("broke the TLS handshake: {error}"),
    }
}

fn of_certificate(fault: &CertificateError, is_client: bool) -> String {
    let remedy = match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew it, or set the clock of this machine"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "set the clock of this machine, or that of its CA"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "dial a name that is in it, or set `tls.name` to one"
        }
        // the signature is that of another CA with the same name
        CertificateError::UnknownIssuer | CertificateError::BadSignature if is_client => {
            "put the certificate of its CA into `tls.ca`"
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "put the certificate of its CA into `tls.client_ca`, or give it one from that CA"
        }
        CertificateError::Other(_) => {
            "a server shows a certificate that its CA signed, not one that is a CA itself"
        }
        _ => "have its CA make another",
    };
    format!("shows a certificate that is not accepted: {fault}; {remedy}")
}

fn of_alert(alert: AlertDescription, is_client: bool) -> String {
    let remedy = match alert {
        AlertDescription::CertificateRequired if is_client => {
            "it wants a certificate of who dials: set `tls.cert` and `tls.key`"
        }
        _ if is_client => {
            "its log may say why; a certificate of `tls.cert` must come from a CA that it knows"
        }
        AlertDescription::UnknownCA | AlertDescription::BadCertificate => {
            "give it the certificate of the CA that `tls.cert` comes from"
        }
        _ => {
            "its log may say why; it must know the CA of `tls.cert`, and dial a name that is in it"
        }
    };
    format!("refused TLS ({alert:?}); {remedy}")
}
